"""The `ssql` command.

Comes in: arguments, SQL text, a directory or the address of a server. Goes out: rows on stdout, notices and errors on
stderr, an exit code of `exits.Exit`. It knows the engine's facade and the server's HTTP API, and nothing of planner,
runtime or log; the demo alone writes to a log, as any program that feeds topics does.

    main.py        arguments -> one module of `commands/`
    commands/      one sub-command a module
    settings.py    configuration: defaults < environment < file < arguments
    pieces.py      text -> statements, without parsing them
    backend.py     what a statement is sent to; `local.py` (in this process), `remote.py` (a server)
    runner.py      a statement -> its answer, written
    output.py      rows as table, JSON lines or CSV; `entities.py`: other answers as rows or text
    shell.py       the prompt
    demo/          what `ssql demo` runs
"""
