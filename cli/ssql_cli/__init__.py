"""The `ssql` command.

Comes in: arguments, SQL text, a directory or the address of a server. Goes out: rows on stdout, notices and errors on
stderr, an exit code of `exits.Exit`. It knows the engine's facade and the server's HTTP API, and nothing of planner,
runtime or log; the demo alone writes to a log, as any program that feeds topics does.

    main.py        arguments -> one module of `commands/`
    arguments.py   the longer arguments of sub-commands, and what their help says
    commands/      one sub-command a module
    settings.py    configuration: defaults < environment < file < arguments
    pieces.py      text -> statements, without parsing them
    backend.py     what a statement is sent to; `local.py` (in this process), `remote.py` (a server)
    runner.py      a statement -> its answer, written
    output.py      rows in every form; `tables.py`, `arrow_files.py`: some of them; `entities.py`: other answers
    live.py        a table that changes, as it stands on a screen; `live_view.py` puts it there, `follow.py` feeds it
    pager.py       what is longer than the screen
    shell.py       the prompt; `pending.py`: it is there before the engine is
    prompt_commands.py  its commands, `backslash.py` those in psql's manner, `prompt.py` what one is
    completion.py  what Tab offers, from the names in `catalog.py`
    transfer/      COPY, import and export of files; `datagen/`: made-up rows
    demo/          what `ssql demo` runs
"""
