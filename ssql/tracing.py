"""Spans of OpenTelemetry: requests, statements, epochs. Off (`otel.traces.endpoint` is empty) they cost nothing.

The libraries are an extra (`pip install 'ssql[otel]'`) and are imported when tracing begins.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from ssql import __version__
from ssql.config import OTEL_ENDPOINT, OTEL_RATIO, SERVICE_ID, Config
from ssql.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer, TracerProvider

#: Spans of epochs a second, at most: there are hundreds of epochs, and they are alike.
EPOCHS_PER_S = 1.0

P = ParamSpec("P")
T = TypeVar("T")

_OFF: AbstractContextManager[None] = contextlib.nullcontext()

_tracer: Tracer | None = None


def on() -> bool:
    """Whether spans are wanted."""
    return _tracer is not None


def span(name: str, **attributes: str | int | float) -> AbstractContextManager[Span | None]:
    """A span around a block, a child of the one that is under way in this context. An error that leaves it is noted."""
    return _OFF if _tracer is None else _tracer.start_as_current_span(name, attributes=attributes)


def traced(name: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A span of this name around each call."""

    def around(call: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(call)
        def within(*args: P.args, **kwargs: P.kwargs) -> T:
            with span(name):
                return call(*args, **kwargs)

        return within

    return around


@contextlib.contextmanager
def request(name: str, headers: Mapping[str, str], **attributes: str | int) -> Iterator[Span | None]:
    """The span of a request from outside; one with a `traceparent` (W3C) is a child of the caller's span."""
    if _tracer is None:
        yield None
        return
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {key: headers[key] for key in ("traceparent", "tracestate") if key in headers}
    parent = TraceContextTextMapPropagator().extract(carrier)
    with _tracer.start_as_current_span(
        name, context=parent, kind=SpanKind.SERVER, attributes=attributes, record_exception=False
    ) as found:
        yield found


def failed(found: Span, why: str) -> None:
    """Note that what a span is about did not succeed."""
    from opentelemetry.trace import Status, StatusCode

    found.set_status(Status(StatusCode.ERROR, why))


class Epochs:
    """Spans of a worker's epochs, one in a while; `ssql.epochs.since` says how many it stands for."""

    def __init__(self) -> None:
        self._since = 0
        self._next = 0.0

    def done(self, begun_ns: int, flow: str, epoch: int, records: int, queries: int) -> None:
        """An epoch is committed; `begun_ns`: when it began (`time.time_ns`)."""
        self._since += 1
        now = time.monotonic()
        if _tracer is None or now < self._next:
            return
        attributes: dict[str, str | int] = {
            "ssql.dataflow": flow,
            "ssql.epoch": epoch,
            "ssql.epoch.records": records,
            "ssql.queries": queries,
            "ssql.epochs.since": self._since,
        }
        _tracer.start_span("epoch", start_time=begun_ns, attributes=attributes).end()
        self._since, self._next = 0, now + 1 / EPOCHS_PER_S


@contextlib.contextmanager
def using(provider: TracerProvider) -> Iterator[None]:
    """Within it, spans go to this provider."""
    global _tracer  # noqa: PLW0603  (as of `logging`: who makes spans must not be handed a way for them)
    with _one_at_a_time:
        before, _tracer = _tracer, provider.get_tracer("ssql", __version__)
    try:
        yield
    finally:
        with _one_at_a_time:
            _tracer = before


_one_at_a_time = threading.Lock()


@contextlib.contextmanager
def exporting(config: Config) -> Iterator[None]:
    """Within it, spans are sent to the OTLP receiver that the settings name, if they name one.

    Raises:
        ConfigError: the libraries are not installed.
    """
    endpoint = config[OTEL_ENDPOINT]
    if not endpoint:
        yield
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    except ImportError:
        raise ConfigError(
            'setting "otel.traces.endpoint" needs OpenTelemetry\'s libraries', hint="pip install 'ssql[otel]'"
        ) from None
    resource = Resource.create(
        {"service.name": "ssql", "service.version": __version__, "service.namespace": config[SERVICE_ID]}
    )
    provider = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(config[OTEL_RATIO])))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=_traces_of(endpoint))))
    try:
        with using(provider):
            yield
    finally:
        provider.shutdown()  # sends what is left


def _traces_of(endpoint: str) -> str:
    """The address for traces of a receiver, which may be named without a path."""
    bare = endpoint.rstrip("/")
    return bare + "/v1/traces" if bare.count("/") == 2 else endpoint
