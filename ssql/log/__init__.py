"""Topics: append, read from an offset, transactions over several topics.

`api` is the interface, `embedded` keeps topics in one local directory, `kafka` in a Kafka cluster. `partitioner` is
Kafka's own murmur2. Nothing here knows what the bytes in a record mean.
"""
