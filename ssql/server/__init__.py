"""The REST API over the engine.

Comes in: HTTP requests as ksqlDB's clients send them. Goes out: entities, row streams and errors as those clients
read them. A resource is one file: it reads the request, calls the engine in a thread, and renders the answer.

=====================  ==========================================================================
`app`                  the application: routes, middlewares, what opens and closes with it
`serve`                a whole server process: socket first, then the engine, until it is told to stop
`state`, `requests`    what the handlers share; bodies and Accept headers read and checked
`rows`, `framing`      Arrow batches as JSON; the forms of ksqlDB's row streams around them
`tabular`              Arrow batches as tables: JSON, NDJSON, CSV, Arrow streams
`pump`                 a push query to its client: woken by the engine, slowed by the client, ended with it
`follow`, `frames`     a subscription to its client; its frames as events, messages, tables
=====================  ==========================================================================

It must never know: topics, plans, how a query runs. What it knows of the rest is `ssql.engine.api`, the lexer (to tell
which path a statement belongs to) and, in `serve`, the engine that it opens.

Only `rows` and `tabular` import pyarrow at their top, and they are themselves imported where rows are first written:
the socket is open before anything heavy is loaded.
"""
