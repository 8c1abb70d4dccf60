"""Schemas of records: the registry that holds them, and what they say as columns.

`api` is the interface of a registry, by subject (`<topic>-key`, `<topic>-value`) and by id; `confluent` is a registry
elsewhere (asked through `background` by who must not wait), `embedded` one that keeps its subjects in the log. `avro`,
`proto` and `json_schema` read a schema's text and write one for columns; `proto_text` parses Protobuf's language;
`compatibility` says whether a new schema still reads what was written with an old one. Knows types and the log;
neither formats (bytes) nor SQL.
"""
