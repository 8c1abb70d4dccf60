"""Functions and operators with ksqlDB's semantics, as DuckDB expressions.

Comes in: a function's name and the types of its arguments (`resolve_scalar`, `resolve_aggregate`, `resolve_table`),
or an operator with typed DuckDB expressions (`operators`). Goes out: DuckDB text, its type, and the Python functions
that it needs (`udf`). Knows nothing of statements, columns or plans.

    api         the contract with the planner        registry   the functions and how one is chosen
    signatures  "ROUND(DOUBLE, INT) -> DOUBLE"       widening   INT -> BIGINT -> DECIMAL -> DOUBLE
    operators   + - * / %, comparisons, subscripts   casts      CAST, and the text forms of values
    udf         Python functions for DuckDB          java_time  Java's date and time patterns
    scalar/, aggregates/, tables                     the entries, a module a category
    docs        DESCRIBE FUNCTION, the reference page
"""

from ssql.functions import aggregates, scalar, tables
from ssql.functions.registry import (
    REGISTRY,
    is_aggregate,
    is_table_aggregate,
    is_table_function,
    is_volatile,
    lambda_parameters,
    names,
    resolve_aggregate,
    resolve_scalar,
    resolve_table,
    takes_interval_unit,
)
from ssql.functions.udf import install, used_in

__all__ = [
    "REGISTRY",
    "aggregates",
    "install",
    "is_aggregate",
    "is_table_aggregate",
    "is_table_function",
    "is_volatile",
    "lambda_parameters",
    "names",
    "resolve_aggregate",
    "resolve_scalar",
    "resolve_table",
    "scalar",
    "tables",
    "takes_interval_unit",
    "used_in",
]
