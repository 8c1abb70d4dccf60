"""Frames of subscriptions as bytes: events of a browser, messages of a WebSocket, NDJSON, CSV, Arrow.

A form is the same for all who read it, so a frame is rendered once in each, however many subscribers there are
(`Frame.rendered`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec
import pyarrow as pa

from ssql.server.framing import ARROW_TYPE, CSV_TYPE, EVENTS_TYPE, LINES_TYPE
from ssql.server.rows import render_rows
from ssql.server.tabular import DIFF, ArrowStream, Csv, JsonLines, Tabular, arrow_batch, arrow_schema
from ssql.types import Column

if TYPE_CHECKING:
    from ssql.engine.api import Frame
    from ssql.runtime.api import Offsets

#: After how long (ms) a browser that has lost its connection connects again.
RETRY_MS = 1000


class FrameForm(Protocol):
    """`head`, then frames, then `end` or `error`, once."""

    @property
    def name(self) -> str:
        """Names the form in `Frame.rendered`."""

    #: Whether it can say that rows told before are void (a snapshot that is not the first frame).
    starts_over: bool
    #: What is sent so that nobody takes a quiet connection for a dead one.
    beat: bytes

    def head(self, columns: Sequence[Column]) -> bytes: ...

    def frame(self, frame: Frame, columns: Sequence[Column]) -> bytes: ...

    def end(self, message: str | None) -> bytes:
        """`message`: why there is no more."""

    def error(self, body: dict[str, Any]) -> bytes | None:
        """None where the form cannot say it: then the answer is cut off."""


def frontier_json(frontier: Offsets) -> dict[str, list[int | None]]:
    """The next offsets of each topic, by partition; null for one that is not read."""
    found: dict[str, list[int | None]] = {}
    for (topic, partition), offset in sorted(frontier.items()):
        offsets = found.setdefault(topic, [])
        offsets += [None] * (partition - len(offsets))
        offsets.append(offset)
    return found


def _kind(frame: Frame) -> str:
    return "snapshot" if frame.snapshot else "changes"


def _content(frame: Frame, columns: Sequence[Column], keys: Sequence[str]) -> bytes:
    """`"frontier":{...},"rows":[...]}`: what the forms in JSON have in common, rendered once. A snapshot has the `keys`
    too: it is where a client begins."""
    found = frame.rendered.get("content")
    if found is None:
        named = (DIFF, *columns)
        rows = render_rows(frame.rows.columns, named, "{", "},", names=[c.name for c in named])
        frontier = msgspec.json.encode(frontier_json(frame.frontier))
        known = b'"keys":' + msgspec.json.encode(keys) + b"," if frame.snapshot else b""
        found = frame.rendered["content"] = known + b'"frontier":' + frontier + b',"rows":[' + rows[:-1] + b"]}"
    return found


class Events:
    """Server-sent events, as `EventSource` reads them: the id of an event is the token of its frame."""

    name = "events"
    starts_over = True
    beat = b":\n\n"

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._keys = keys

    def head(self, columns: Sequence[Column]) -> bytes:  # noqa: ARG002
        return b"retry: %d\n\n" % RETRY_MS

    def frame(self, frame: Frame, columns: Sequence[Column]) -> bytes:
        kind = _kind(frame).encode()
        # Without a token the place before it is void, too: who was cut off within a snapshot needs a new one.
        place = b"id:\n" if frame.token is None else b"id: " + frame.token.encode() + b"\n"
        return (
            place
            + b"event: "
            + kind
            + b'\ndata: {"type":"'
            + kind
            + b'",'
            + _content(frame, columns, self._keys)
            + b"\n\n"
        )

    def end(self, message: str | None) -> bytes:
        return b"event: end\ndata: " + msgspec.json.encode({"type": "end", "message": message}) + b"\n\n"

    def error(self, body: dict[str, Any]) -> bytes:
        return b"event: error\ndata: " + msgspec.json.encode({"type": "error", **body}) + b"\n\n"


class Messages:
    """Text messages of a WebSocket: a JSON object a frame. (A quiet connection is kept by pings.)"""

    name = "messages"
    starts_over = True
    beat = b""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._keys = keys

    def head(self, columns: Sequence[Column]) -> bytes:  # noqa: ARG002
        return b""

    def frame(self, frame: Frame, columns: Sequence[Column]) -> bytes:
        token = msgspec.json.encode(frame.token)
        return (
            b'{"type":"' + _kind(frame).encode() + b'","token":' + token + b"," + _content(frame, columns, self._keys)
        )

    def end(self, message: str | None) -> bytes:
        return msgspec.json.encode({"type": "end", "message": message})

    def error(self, body: dict[str, Any]) -> bytes:
        return msgspec.json.encode({"type": "error", **body})


class Table:
    """The rows of frames in a form of tables, each with `_diff` before it; where frames begin is not told."""

    starts_over = False
    beat = b""
    _form: ClassVar[type[Tabular]]

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._keys = keys
        self._rows = self._form(changes=True)

    @property
    def name(self) -> str:
        return self._form.__name__

    def head(self, columns: Sequence[Column]) -> bytes:
        return self._rows.head((DIFF, *columns))

    def frame(self, frame: Frame, columns: Sequence[Column]) -> bytes:
        return self._rows.body(frame.rows.columns, (DIFF, *columns)) if frame.rows.num_rows else b""

    def end(self, message: str | None) -> bytes:
        return self._rows.end(message)

    def error(self, body: dict[str, Any]) -> bytes | None:
        return self._rows.error(body)


class LinesTable(Table):
    _form = JsonLines


class TokenLines(LinesTable):
    """Lines with what else a frame tells, in objects of their own: `{"_snapshot":true,"_keys":[...]}` before those of a
    snapshot, `{"_token":...,"_frontier":{...}}` behind each frame."""

    starts_over = True

    @property
    def name(self) -> str:
        return "lines with tokens"

    def frame(self, frame: Frame, columns: Sequence[Column]) -> bytes:
        before = msgspec.json.encode({"_snapshot": True, "_keys": self._keys}) + b"\n" if frame.snapshot else b""
        behind = msgspec.json.encode({"_token": frame.token, "_frontier": frontier_json(frame.frontier)}) + b"\n"
        return before + super().frame(frame, columns) + behind


class CsvTable(Table):
    _form = Csv


class ArrowTable(Table):
    """A batch a frame, whose metadata has `type`, `token` and `frontier` (JSON); the schema's has `keys` (JSON). An
    error is a last batch without rows, whose metadata has the `type` error and the `error` (JSON)."""

    starts_over = True
    _form = ArrowStream
    _columns: Sequence[Column] = ()

    def head(self, columns: Sequence[Column]) -> bytes:
        self._columns = columns
        schema = arrow_schema((DIFF, *columns)).with_metadata({"keys": msgspec.json.encode(self._keys)})
        head: bytes = schema.serialize().to_pybytes()
        return head

    def error(self, body: dict[str, Any]) -> bytes:
        named = (DIFF, *self._columns)
        rows = [pa.array([], field.type) for field in arrow_schema(named)]
        return self._batch(rows, named, {"type": "error", "error": msgspec.json.encode(body).decode()})

    def frame(self, frame: Frame, columns: Sequence[Column]) -> bytes:
        named = (DIFF, *columns)
        about = {"type": _kind(frame), "frontier": msgspec.json.encode(frontier_json(frame.frontier)).decode()}
        if frame.token is not None:
            about["token"] = frame.token
        return self._batch(frame.rows.columns, named, about)

    def _batch(self, rows: Sequence[pa.Array], columns: Sequence[Column], about: dict[str, str]) -> bytes:
        schema = arrow_schema(columns)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as stream:
            stream.write_batch(arrow_batch(rows, columns), custom_metadata=about)
        whole: bytes = sink.getvalue().to_pybytes()
        return whole[schema.serialize().size : -len(self.end(None))]  # the batch alone


#: The forms over HTTP by content type.
FORMS: dict[str, type[Events | Table]] = {
    EVENTS_TYPE: Events,
    LINES_TYPE: LinesTable,
    CSV_TYPE: CsvTable,
    ARROW_TYPE: ArrowTable,
}
