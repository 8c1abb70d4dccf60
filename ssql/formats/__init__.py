"""Formats: bytes of keys and values <-> Arrow columns.

`api` is the interface; `registry.format_named` finds a format, one module each: `json`, `avro`, `protobuf`, `json_sr`,
`kafka`, `delimited`, `none`. A decoder is made once for the columns that are needed and then gets whole batches; it
isolates bad rows and says why each is bad. Formats know types and schemas, and neither SQL nor topics.

JSON has three readers that give the same: `json_values` (exact, a row at a time, the rule for the others),
`json_struct` (msgspec) and `json_fast` over `json_kernel` (compiled); rows that the fast ones are not sure of go to the
exact one. It has two writers: `json_text` and `json_writer` over `json_writer_kernel`. `ssql.kernels` has the compiled
ones once they are ready. `scalars` and `csv_text` hold the rules for single values and CSV records, `rules` what a
format can hold, `windowed` the keys of windowed results.

Formats of a schema registry read each row by the schema that it names: `framing` takes rows apart by schema,
`registered` opens a reader for each and settles what rows are written with, `inference` finds the columns of a topic.
`avro_values`, `avro_writers` and `protobuf_values` are the exact readers and writers; `coercions` says which values go
into which columns, `plain` has times as the numbers that are written.
"""
