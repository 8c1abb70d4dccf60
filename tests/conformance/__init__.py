"""Runs a conformance corpus (JSON Lines, one self-contained case a line) against the real engine.

    python -m tests.conformance FILE.jsonl [--select ID_PART] [--report OUT.json] [--jobs 2] [--cuts random --seed 1]

What comes in is a file of cases; what goes out is a verdict a case. `cases` reads, `bench` opens an engine on a log
of its own, `codec` turns records into bytes and back, `compare` says whether two values are the same, `sources`
whether two definitions are, `failures` whether two errors are. `qtt`, `rqtt` and `yatt` carry a case out, `cuts` does
so with epochs cut at random, `pool` in processes with time limits, and `report` prints. Nothing in here knows a case's
name or data: all that it does follows from the fields of the case.
"""
