"""Formats: bytes of keys and values <-> Arrow columns.

`api` is the interface; one module a format; `registry.format_named` finds one. A decoder is made once for the
columns that are needed and then gets whole batches. Formats know types, and neither SQL nor topics.
"""
