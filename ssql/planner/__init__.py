"""From a statement to a dataflow.

Comes in: statements with the parser's trees, and the relations of a catalog. Goes out: a `QueryPlan`, steps with the
DuckDB SQL that each runs (`steps`), or a `PullPlan` over a snapshot. Must never know: logs, formats' bytes, state, the
catalog's own storage.

    scope, bind_expr, coerce, timestamps   names and types: the parser's trees -> typed expressions (`expr`)
    bind_from, bind_query, projection,     clauses in the order in which they take effect -> logical plan (`plan`)
    names, options, refusals, bind
    rewrites/                              plan -> plan, one rewrite a file
    dataflow, print_duckdb, grouping_sql   plan -> steps and their SQL
    pull, values                           pull queries over a snapshot; INSERT VALUES
    explain                                all of it as text
"""
