"""What is defined: streams, tables, types and queries.

Comes in: changes, one command at a time. Goes out: an immutable `Catalog` that answers by name. The command topic
holds every change; replaying it gives the same catalog again. Knows nothing of how queries are run or answered.
"""
