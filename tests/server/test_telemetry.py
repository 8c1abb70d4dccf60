"""Ids of requests, lines of the log, and traces."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ssql import logs, tracing
from ssql.config import DATA_DIR, LOG_FORMAT, OTEL_ENDPOINT, OTEL_RATIO, Config
from ssql.engine.engine import LocalEngine
from ssql.errors import ConfigError

from .fake import FakeEngine, in_loop, serving

DEFINITIONS = """
    CREATE STREAM s (id STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);
    CREATE TABLE t AS SELECT id, COUNT(*) AS n FROM s GROUP BY id;
    INSERT INTO s (id, v) VALUES ('a', 1);
"""

#: A trace and a span of W3C's own example.
TRACE, PARENT = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7
TRACEPARENT = f"00-{TRACE:032x}-{PARENT:016x}-01"


# --- ids ---------------------------------------------------------------------


@in_loop
async def test_a_request_keeps_its_id_or_gets_one() -> None:
    async with serving(FakeEngine()) as client:
        answer = await client.get("/info", headers={"X-Request-Id": "abc-1.2"})
        assert answer.headers["X-Request-Id"] == "abc-1.2"
        first, second = [(await client.get("/nowhere")).headers["X-Request-Id"] for _ in range(2)]
        assert len(first) == 16
        assert first != second
        for bad in ("x" * 129, "a b", "a;b"):
            answer = await client.get("/info", headers={"X-Request-Id": bad})
            assert answer.headers["X-Request-Id"] != bad


@in_loop
async def test_lines_of_a_request_carry_its_id(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ssql.server")
    lines: list[dict[str, Any]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(logs.JsonLines().format(record)))

    class Engine(FakeEngine):
        def info(self) -> dict[str, Any]:
            logging.getLogger("ssql.server").info("in a thread")
            return super().info()

    handler = Keep()
    logging.getLogger("ssql.server").addHandler(handler)
    try:
        async with serving(Engine()) as client:
            await client.get("/info", headers={"X-Request-Id": "one"})
            await client.get("/nowhere", headers={"X-Request-Id": "two"})
    finally:
        logging.getLogger("ssql.server").removeHandler(handler)
    assert {"message": "in a thread", "request_id": "one"}.items() <= lines[0].items()
    refused = {"message": "request refused", "request_id": "two", "status": 404, "code": "path_not_found"}
    assert refused.items() <= lines[1].items()


# --- lines -------------------------------------------------------------------


def record(message: str, *args: object, **fields: Any) -> logging.LogRecord:
    return logging.LogRecord("ssql.x", logging.INFO, "f.py", 1, message, args, fields.get("exc_info"))


def as_json(found: logging.LogRecord) -> dict[str, Any]:
    text = logs.JsonLines().format(found)
    assert "\n" not in text
    line: dict[str, Any] = json.loads(text)
    assert set(line) >= {"time", "level", "logger", "message"}
    return {key: value for key, value in line.items() if key not in ("time", "level", "logger")}


def test_fields_of_a_line_are_fields_of_its_json() -> None:
    found = record("request done method=%s status=%d ms=%.1f why=%r", "GET", 200, 4.25000001, 'a "b"\nc')
    assert as_json(found) == {"message": "request done", "method": "GET", "status": 200, "ms": 4.25, "why": 'a "b"\nc'}
    assert as_json(record("query %s stopped: %s", "Q", "why")) == {"message": "query Q stopped: why"}
    assert as_json(record("plain 100%")) == {"message": "plain 100%"}


def test_a_field_takes_no_place_of_the_line_itself() -> None:
    line = json.loads(logs.JsonLines().format(record("odd level=%s", "high")))
    assert line["level"] == "INFO"


def test_a_fault_is_one_line_with_its_trace() -> None:
    try:
        raise ValueError("no")
    except ValueError as error:
        found = record("request failed path=%s", "/x", exc_info=(ValueError, error, error.__traceback__))
    line = as_json(found)
    assert line["message"] == "request failed"
    assert "ValueError: no" in line["error"]


def test_text_of_others_makes_no_line_of_its_own() -> None:
    assert "\n" not in logs.TextLines().format(record("request done path=%s", "/a\n2024 INFO ssql fake"))


def test_the_form_of_lines_is_a_setting(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    for form in ("json", "text"):
        monkeypatch.setattr(root, "handlers", [])
        logs.set_up(Config().with_values({LOG_FORMAT.key: form}), level=logging.INFO)
        logging.getLogger("ssql.x").warning("look out n=%d", 1)
        line = capsys.readouterr().err
        assert line.startswith("{") == (form == "json")
        assert "look out" in line
    with pytest.raises(ConfigError):
        Config().with_values({LOG_FORMAT.key: "xml"})


# --- traces ------------------------------------------------------------------


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with tracing.using(provider):
        yield exporter


def by_name(exporter: InMemorySpanExporter) -> dict[str, list[ReadableSpan]]:
    found: dict[str, list[ReadableSpan]] = {}
    for span in exporter.get_finished_spans():
        found.setdefault(span.name, []).append(span)
    return found


@in_loop
async def test_a_request_is_a_child_of_its_caller_and_a_statement_of_its_request(
    tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    with contextlib.closing(LocalEngine(Config({DATA_DIR.key: str(tmp_path)}))) as engine:
        async with serving(engine) as client:
            headers = {"traceparent": TRACEPARENT, "X-Request-Id": "one"}
            assert (await client.post("/ksql", json={"ksql": DEFINITIONS}, headers=headers)).status == 200
            assert await asyncio.to_thread(engine.caught_up, 10)
            await client.post("/query", json={"ksql": "SELECT * FROM t;"})
            await client.get("/endpoints/nowhere")
        found = by_name(spans)
        (request,) = found["POST /ksql"]
        assert request.context.trace_id == TRACE
        assert request.parent is not None
        assert request.parent.span_id == PARENT
        assert request.attributes is not None
        assert request.attributes["http.response.status_code"] == 200
        assert request.attributes["ssql.request_id"] == "one"
        statements = found["statement"]
        assert [(s.attributes or {})["db.operation.name"] for s in statements] == [
            "CreateSource",
            "CreateAs",
            "InsertValues",
        ]
        assert {s.parent.span_id for s in statements if s.parent} == {request.context.span_id}
        (asked,) = found["POST /query"]
        assert [q.parent.span_id for q in found["query"] if q.parent] == [asked.context.span_id]
        assert (found["GET /endpoints/{name}"][0].attributes or {})["http.response.status_code"] == 404
        epochs = [dict(s.attributes or {}) for s in found["epoch"]]
        assert epochs[0]["ssql.queries"] >= 1
        assert epochs[0]["ssql.epoch.records"] >= 1


def test_epochs_are_told_at_a_sane_rate(spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(tracing.time, "monotonic", lambda: now)
    epochs = tracing.Epochs()
    for _ in range(100):
        now += 0.05 / tracing.EPOCHS_PER_S
        epochs.done(1, "main", 7, 10, 2)
    told = [dict(s.attributes or {})["ssql.epochs.since"] for s in by_name(spans)["epoch"]]
    assert 4 <= len(told) <= 6
    assert told[1:] == [pytest.approx(20, abs=1)] * (len(told) - 1)


@in_loop
async def test_without_traces_there_is_no_span(tmp_path: Path) -> None:
    assert not tracing.on()
    assert tracing.span("a") is tracing.span("b")
    async with serving(FakeEngine()) as client:
        assert (await client.get("/info", headers={"traceparent": TRACEPARENT})).status == 200


def test_traces_go_to_the_receiver_that_the_settings_name() -> None:
    received: list[ExportTraceServiceRequest] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            config = Config().with_values({OTEL_ENDPOINT.key: f"http://127.0.0.1:{server.server_port}"})
            with tracing.exporting(config), tracing.span("one", **{"a.b": 1}):
                pass
            assert not tracing.on()
        finally:
            server.shutdown()
            thread.join()
    (resource,) = [r for request in received for r in request.resource_spans]
    assert {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"] == "ssql"
    (span,) = [s for scope in resource.scope_spans for s in scope.spans]
    assert (span.name, span.attributes[0].key) == ("one", "a.b")


def test_a_ratio_is_one() -> None:
    with pytest.raises(ConfigError):
        Config().with_values({OTEL_RATIO.key: "2"})
