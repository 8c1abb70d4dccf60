"""What the servers of a cluster tell each other in ksqlDB: what each query has still to read; and the cluster's end."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

from ssql.catalog.changes import Change, DropEndpoint, DropQuery, DropSource
from ssql.engine import kept, schemas
from ssql.engine.api import Entity
from ssql.engine.context import Core
from ssql.errors import BadRequest

Json = dict[str, Any]


def status(core: Core) -> Json:
    """`activeStandbyPerQuery` and `hostStoreLags` of this process, as /clusterStatus has them.

    A store is named after the topic that it is filled from: all state of a query moves in one transaction with the
    positions in what it reads, so that what is left of its topics is its lag.
    """
    reached = {
        found.query_id: {(at.topic, at.partition): at.offset for at in found.partitions}
        for found in core.worker.progress()
    }
    queries: Json = {}
    lags: Json = {}
    for query in core.catalog.queries.values():
        topics = sorted({relation.topic for relation in query.reads.values()})
        partitions = [
            (name, partition)
            for name in topics
            if (topic := core.log.topic(name)) is not None
            for partition in range(topic.partitions)
        ]
        queries[query.id] = {
            "activeStores": topics,
            "activePartitions": [{"topic": name, "partition": partition} for name, partition in partitions],
            "standByStores": [],
            "standByPartitions": [],
        }
        for name in topics:
            by_partition = {}
            for partition in (p for topic, p in partitions if topic == name):
                start, end = core.log.bounds(name, partition)
                at = min(max(reached.get(query.id, {}).get((name, partition), start), start), end)
                by_partition[str(partition)] = {
                    "currentOffsetPosition": at,
                    "endOffsetPosition": end,
                    "offsetLag": end - at,
                }
            lags[f"{query.id}#{name}"] = {"lagByPartition": by_partition, "size": len(by_partition)}
    stores = {"stateStoreLags": lags, "updateTimeMs": time.time_ns() // 1_000_000}
    return {"activeStandbyPerQuery": queries, "hostStoreLags": stores}


def terminate(core: Core, delete_topics: Sequence[str]) -> Entity:
    """End all queries, drop what is defined, and delete the command topic and the results' topics that match.

    `delete_topics`: names, or regular expressions that match whole names.

    Raises:
        BadRequest: one is no regular expression; nothing was done.
    """
    patterns = [_pattern(text) for text in delete_topics]
    with core.defining:
        sources = [s for s in core.catalog.sources.values() if s.origin != "SYSTEM"]
        results = [s.relation for s in sources if s.origin == "QUERY"]
        doomed = [r for r in results if any(p.fullmatch(r.topic) for p in patterns)]
        queries = list(core.catalog.queries)
        changes: list[Change] = [
            *map(DropEndpoint, core.catalog.endpoints),
            *map(DropQuery, queries),
            *(DropSource(s.name) for s in sources),
        ]
        sequence = core.commands.next_sequence()
        # A process that ends half-way finds nothing defined, and no topic that a query would write again.
        core.commit("TERMINATE CLUSTER", changes, {})
        core.running.close_all()
        for query_id in queries:
            core.worker.drop(query_id)
        for source in sources:
            kept.end(core.worker, source)
        for relation in doomed:
            schemas.delete(relation, core.schemas)
            core.log.delete_topic(relation.topic)
        core.log.delete_topic(core.commands.name)
    return {
        "@type": "currentStatus",
        "statementText": "TERMINATE CLUSTER;",
        "commandId": "cluster/TerminateCluster/terminate",
        "commandStatus": {"status": "SUCCESS", "message": "Cluster terminated", "queryId": None},
        "commandSequenceNumber": sequence,
        "warnings": [],
    }


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error:
        raise BadRequest(f"Invalid pattern: {text}") from None
