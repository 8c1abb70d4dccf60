"""The REST API over the engine.

Comes in: HTTP requests as ksqlDB's clients send them. Goes out: entities, row streams and errors as those clients
read them. A resource is one file: it reads the request, calls the engine in a thread, and renders the answer.

=====================  ==========================================================================
`app`                  the application: routes, middlewares, what opens and closes with it
`serve`                a whole server process: socket first, then the engine, until it is told to stop
`state`, `requests`    what the handlers share; bodies and Accept headers read and checked
`rows`, `framing`      Arrow batches as JSON; the three forms of a row stream around them
`pump`                 a push query to its client: woken by the engine, slowed by the client, ended with it
=====================  ==========================================================================

It must never know: topics, formats, plans. Everything it knows of the rest is `ssql.engine.api`.

Modules import neither pyarrow nor the engine at their top: the socket is open before those are loaded.
"""
