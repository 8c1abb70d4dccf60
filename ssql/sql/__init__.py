"""The dialect: ksqlDB's SQL, read and written.

Comes in: text. Goes out: frozen statements (`statements.py`) that hold expressions as sqlglot trees (`trees.py` lists
the kinds), with the place of every part in the text, or a syntax error that points at the word in the way. `lexer.py`
makes tokens, `variables.py` puts values for `${v}`, `cursor.py` walks tokens and words the errors, `expressions.py`,
`type_syntax.py`, `queries.py` and `parser.py` read, `printer.py` writes back.

Must never know: which streams, columns, functions or types exist, or what any of it means.
"""
