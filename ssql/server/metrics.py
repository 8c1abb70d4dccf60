"""GET /metrics: what went through, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ssql.engine.progress import OpeningProgress, Stage
from ssql.runtime.progress import QueryProgress, QueryState
from ssql.server.described import TEXT, described
from ssql.server.failures import CLIENT_GONE
from ssql.server.state import engine_of, in_thread, opening_of

if TYPE_CHECKING:
    from ssql.engine.api import Metrics
    from ssql.runtime.api import Throughput

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_HTTP: web.AppKey[Http] = web.AppKey("http metrics")


class Http:
    """Counts of requests, by method, route (not path: there is no end of those) and status."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route")
        self._requests = Counter(
            "ssql_http_requests", "Requests answered.", (*labels, "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "ssql_http_request_seconds",
            "From a request's head to the end of its answer; push queries last as long as both sides want.",
            labels,
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        #: the counters of each method, route and status that there was: to find them costs more than to count
        self._found: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def note(self, request: web.Request, status: int, seconds: float) -> None:
        resource = request.match_info.route.resource
        key = (request.method, resource.canonical if resource is not None else "none", status)
        found = self._found.get(key)
        if found is None:
            *labels, _ = key
            found = self._requests.labels(*labels, str(status)), self._seconds.labels(*labels)
            self._found[key] = found
        requests, histogram = found
        requests.inc()
        histogram.observe(seconds)


def add_to(app: web.Application) -> None:
    app[_HTTP] = Http()


@web.middleware
async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Counts a request by its answer; one whose client went away has the status 499."""
    begin = time.perf_counter()
    status = CLIENT_GONE
    try:
        response = await handler(request)
        status = response.status
        return response
    finally:
        request.app[_HTTP].note(request, status, time.perf_counter() - begin)


@described(answers={"text/plain": TEXT, "application/openmetrics-text": TEXT}, tag="about")
async def get_metrics(request: web.Request) -> web.Response:
    """Counts for Prometheus, in the form that the client asks for: Prometheus' text, or OpenMetrics.

    While the server starts they tell what opening the engine is at.
    """
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    opening = opening_of(request)

    def render(collector: Callable[[], Collector]) -> bytes:
        ours = CollectorRegistry()
        ours.register(collector())
        return encode(_Both((ours, request.app[_HTTP].registry)))  # type: ignore[arg-type]  # only `collect` is used

    if opening is not None:
        body = render(lambda: _Opening(opening.opening))
    else:
        engine = engine_of(request)
        body = await in_thread(request, render, lambda: _Engine(engine.metrics()))
    return web.Response(body=body, headers={"Content-Type": content_type})


class _Both(Collector):
    def __init__(self, registries: Sequence[CollectorRegistry]) -> None:
        self._registries = registries

    def collect(self) -> Iterable[Metric]:
        for registry in self._registries:
            yield from registry.collect()


class _Opening(Collector):
    """What opening the engine is at."""

    def __init__(self, opening: OpeningProgress) -> None:
        self._opening = opening

    def collect(self) -> Iterable[Metric]:
        is_open = self._opening.stage is Stage.OPEN
        yield GaugeMetricFamily("ssql_open", "1 once the engine is open, and may be asked.", float(is_open))
        restore = self._opening.restore
        for name, text, value in (
            ("tables", "Tables of state that are read back.", restore.tables),
            ("tables_expected", "Tables of state that are to be read back.", restore.tables_total),
            ("rows", "Rows of state that are read back.", restore.rows),
            ("bytes", "Bytes of state that are read back.", restore.bytes),
        ):
            yield GaugeMetricFamily(f"ssql_restore_{name}", text, value)


class _Engine(Collector):
    """The engine's counts as metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        queries = {q.query_id: q.throughput for q in self._metrics.queries}
        yield _records("ssql_topic_records", "Records of a topic.", "topic", self._metrics.topics)
        yield _bytes(self._metrics.topics)
        yield _records("ssql_query_rows", "Rows of a persistent query.", "query", queries)
        state = GaugeMetricFamily("ssql_query_state", "1 for the state that a query is in.", labels=("query", "state"))
        for query in self._metrics.queries:
            state.add_metric((query.query_id, query.state.value), 1)
        yield state
        yield GaugeMetricFamily("ssql_push_queries", "Push queries that are running.", self._metrics.push_queries)
        yield GaugeMetricFamily("ssql_epoch", "The last epoch that was committed.", self._metrics.epoch)
        if self._metrics.progress is not None:
            yield from _Opening(self._metrics.progress.opening).collect()
            yield from _lags(self._metrics.progress.queries)


def _lags(queries: Sequence[QueryProgress]) -> Iterable[Metric]:
    labels = ("query", "topic", "partition")
    records = GaugeMetricFamily("ssql_query_lag_records", "Records that a query has still to read.", labels=labels)
    catching_up = GaugeMetricFamily("ssql_query_catching_up", "1 while a query reads a backlog.", labels=("query",))
    for query in queries:
        for at in query.partitions:
            records.add_metric((query.query_id, at.topic, str(at.partition)), at.lag)
        catching_up.add_metric((query.query_id,), float(query.state is QueryState.CATCHING_UP))
    yield records
    yield catching_up
    seconds = GaugeMetricFamily(
        "ssql_query_lag_seconds", "How long ago, by the records' times, was what a query has read.", labels=("query",)
    )
    for query in queries:
        if query.lag_ms is not None:
            seconds.add_metric((query.query_id,), query.lag_ms / 1000)
    yield seconds


def _records(name: str, text: str, label: str, found: Mapping[str, Throughput]) -> Metric:
    family = CounterMetricFamily(name, text, labels=(label, "direction"))
    for key, one in found.items():
        for direction, traffic in (("read", one.read), ("written", one.written), ("failed", one.failed)):
            family.add_metric((key, direction), traffic.records)
    return family


def _bytes(topics: Mapping[str, Throughput]) -> Metric:
    family = CounterMetricFamily(
        "ssql_topic_bytes", "Bytes of keys and values of a topic.", labels=("topic", "direction")
    )
    for topic, one in topics.items():
        for direction, traffic in (("read", one.read), ("written", one.written)):
            family.add_metric((topic, direction), traffic.bytes)
    return family
