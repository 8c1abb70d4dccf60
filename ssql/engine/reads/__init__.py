"""Reads in full SQL: a SELECT without EMIT that says what ksqlDB's pull queries cannot.

Comes in: the text of one SELECT. Goes out: its rows, as DuckDB computes them over the rows of one consistent cut.
DuckDB's own parser says what the text is, so that whatever DuckDB reads is understood, and nothing else is.

    text        what the user wrote, as DuckDB is to read it; places in the one are places in the other
    tree        DuckDB's tree of a SELECT: the relations it names, what it may not say
    rows        the rows of relations: all as of one moment
    calls       calls of functions, which mean what they mean in ksqlDB
    database    the DuckDB that computes: without files, network and settings, within limits
    files       the files under one directory that a query may read
    answers     DuckDB's types as SQL types
    faults      DuckDB's errors in the words of this project
    statements  those with parameters, bound once and run often
    answer      all of it, one after the other
"""
