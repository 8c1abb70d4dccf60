"""The worker: one thread that moves the dataflow in epochs, each committed as one transaction.

All running queries are one dataflow, `main`. A new query starts in a dataflow of its own on the side: it reads
the topics from where it is to begin, in epochs like any other, and is spliced into `main` at a boundary at which
it has seen just what `main` has seen. A query that fails or is paused is split off again, at the last commit.

    poll -> decode -> order by time -> operators in topological order -> encode -> ONE transaction: outputs, state
    runs, input positions -> publish the snapshots -> tell the followers

    worker      the thread, its epochs, and what it does about queries that fail
    calls       calls of other threads, carried out between epochs
    flows       the dataflows: the main one, and those on the side
    queries     queries come and go
    splicing    how they join the main dataflow, and leave it
    followers   who follows queries, and what they are told
    commits     the transaction, and what is filed in it
    published   the cut of all tables that others see
    priority    what its thread leaves to others of the processor
"""

from ssql.runtime.worker.worker import DataflowWorker

__all__ = ["DataflowWorker"]
