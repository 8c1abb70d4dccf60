"""Statements in, entities and rows out: what the server, the command and programs talk to.

`engine.py` opens log, catalog and worker, and sends each statement to its handler (the table `HANDLERS`):
`define.py` streams, tables and types, `queries.py` persistent queries, `insert.py` INSERT VALUES, `show.py` and
`describe.py` what there is, `session.py` SET and DEFINE, `system.py` ALTER SYSTEM, `asserts.py` ASSERT, `connectors.py`
what Kafka Connect carries out (`connect.py` is its client); `pull.py` and `push.py` answer SELECT, `print_topic.py`
PRINT. `api.py` is the contract. Must never know: how rows are sent to a client, or where a statement came from.
"""
