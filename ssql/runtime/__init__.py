"""The runtime: one dataflow that moves in epochs.

`inputs` polls and decodes topics and merges their rows by time; `operators` run the steps of the planned queries
over deltas (`delta`) and the state that these touch (`arrangement`); `dataflow` is the graph and its epoch;
`state` files arrangements in the log; `worker` runs it all in one thread, starts new queries on the side and joins
them to the others when they have caught up. It knows steps and relations, and neither statements nor clients.
"""
