"""Formats: bytes of keys and values <-> Arrow columns.

`api` is the interface; `registry.format_named` finds a format, one module each: `json`, `kafka`, `delimited`, `none`.
A decoder is made once for the columns that are needed and then gets whole batches; it isolates bad rows and says why
each is bad. Formats know types, and neither SQL nor topics.

JSON has three readers that give the same: `json_values` (exact, a row at a time, the rule for the others),
`json_struct` (msgspec) and `json_fast` over `json_kernel` (compiled); rows that the fast ones are not sure of go to the
exact one. It has two writers: `json_text` and `json_writer` over `json_writer_kernel`. `ssql.kernels` has the compiled
ones once they are ready. `scalars` and `csv_text` hold the rules for single values and CSV records, `rules` what a format can
hold, `windowed` the keys of windowed results.
"""
