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

from ssql.server.described import TEXT, described
from ssql.server.failures import CLIENT_GONE
from ssql.server.state import engine_of, in_thread

if TYPE_CHECKING:
    from ssql.engine.api import Engine, Metrics
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

    def note(self, request: web.Request, status: int, seconds: float) -> None:
        resource = request.match_info.route.resource
        labels = (request.method, resource.canonical if resource is not None else "none")
        self._requests.labels(*labels, str(status)).inc()
        self._seconds.labels(*labels).observe(seconds)


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
    """Counts for Prometheus, in the form that the client asks for: Prometheus' text, or OpenMetrics."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))

    def render(engine: Engine) -> bytes:
        ours = CollectorRegistry()
        ours.register(_Engine(engine.metrics()))
        return encode(_Both((ours, request.app[_HTTP].registry)))  # type: ignore[arg-type]  # only `collect` is used

    body = await in_thread(request, render, engine_of(request))
    return web.Response(body=body, headers={"Content-Type": content_type})


class _Both(Collector):
    def __init__(self, registries: Sequence[CollectorRegistry]) -> None:
        self._registries = registries

    def collect(self) -> Iterable[Metric]:
        for registry in self._registries:
            yield from registry.collect()


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
