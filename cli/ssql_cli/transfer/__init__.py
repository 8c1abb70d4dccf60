"""Rows out of files and into them: `COPY`, `ssql import`, `ssql export`; and what `ssql datagen` makes.

DuckDB reads the files and infers their types; rows go in as batches of columns, never one by one.

    files.py      a file -> columns of SQL types, batches, and the lines that cannot be read
    statement.py  the text of a COPY
    load.py       a file into a stream or table, which is created if it is not there
    store.py      a stream, a table or a query into a file
    sink.py       batches into an engine here or on a server
    progress.py   how far it is, on stderr
"""
