"""Queries over changing input, held to an oracle that computes them again from all that was put in.

`history`: what happens to the inputs, and how it is cut into epochs. `running`: a history through the engine, down to
the records of the topics. `replay`: the same history as DuckDB tables, time and as-of order decided row by row in plain
Python. A test names a query, and the DuckDB query that has the same answer over the whole input.
"""
