"""ssql: a streaming SQL database.

Statements come in as text (`sql`), are bound and planned (`planner`, with `functions` and `formats`), run as one
dataflow that moves in epochs (`runtime`) over topics (`log`), are carried out and remembered (`engine`, `catalog`),
and are served over HTTP (`server`).
"""

__version__ = "0.1.0"
