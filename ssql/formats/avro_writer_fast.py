"""The compiled Avro writer's other half: a program for the kernel, and record batches as addresses for it.

A program can be made where the schema holds the columns as what they are; see `avro_writer_kernel` for what it does,
and `kernels` for when it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssql.formats.avro_fast import NotFastError
from ssql.formats.avro_values import matching
from ssql.formats.avro_writers import constant
from ssql.formats.plain import plain
from ssql.schemas.avro import Avro
from ssql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    STRING,
    TIME,
    TIMESTAMP,
    Array,
    Column,
    Decimal,
    Map,
    SqlType,
    Struct,
)

_MOST_BRANCHES = 64  # of a union: more take two bytes
#: What integers a logical type takes, and by what they are multiplied.
_INTEGERS: dict[tuple[str, str, SqlType], int] = {
    ("int", "", INTEGER): 1,
    ("long", "", INTEGER): 1,
    ("long", "", BIGINT): 1,
    ("int", "date", DATE): 1,
    ("int", "time-millis", TIME): 1,
    ("long", "time-micros", TIME): 1000,
    ("long", "timestamp-millis", TIMESTAMP): 1,
    ("long", "local-timestamp-millis", TIMESTAMP): 1,
}


@dataclass
class Node:
    """One type of the schema, and from which part of the column it is written."""

    number: int
    kind: int
    scale: int = 1
    branch: int = -1
    null_branch: int = -1
    content: bytes = b""
    children: list[Node] = field(default_factory=list)
    source: list[int] = field(default_factory=list)  # of a struct's children: their places in it


class KernelWriter:
    """Writes batches of rows with the compiled kernel of `avro_writer_kernel`."""

    def __init__(self, avro: Avro, columns: Sequence[Column], *, record: bool, head: bytes, kernel: ModuleType) -> None:
        """`head`: what each row begins with.

        Raises:
            NotFastError: where the kernel does not write it, or not from these columns.
        """
        self.kernel = kernel
        self.columns = tuple(columns)
        self.record = record
        self.head = np.frombuffer(head, dtype=np.uint8)
        self.nodes: list[Node] = []
        if record:
            if avro.kind != "record":
                raise NotFastError
            self.root = self._record(avro, columns)
        else:
            self.root = self._node(avro, columns[0].type)
            if self.root.null_branch >= 0:
                self.root.null_branch = -1  # a bare null is no record at all
        if self._depth(self.root) > kernel.MOST_NESTING:
            raise NotFastError
        contents = [node.content for node in self.nodes]
        self.constants = np.frombuffer(b"".join(contents) or b"\0", dtype=np.uint8)
        begins = np.cumsum([0, *map(len, contents)])
        children: list[int] = []
        spans: list[tuple[int, int]] = []
        for node, begin in zip(self.nodes, begins, strict=False):
            if node.kind == kernel.CONSTANT:
                spans.append((int(begin), int(begin) + len(node.content)))
            else:
                spans.append((len(children), len(children) + len(node.children)))
                children += [child.number for child in node.children]
        parts = (
            [n.kind for n in self.nodes],
            [n.branch for n in self.nodes],
            [n.null_branch for n in self.nodes],
            [first for first, _ in spans],
            [last for _, last in spans],
            children,
            [n.scale for n in self.nodes],
        )
        self.program = tuple(np.array(part, dtype=np.int64) for part in parts)

    # --- the program -----------------------------------------------------

    def _add(self, kind: int, *, scale: int = 1, content: bytes = b"") -> Node:
        node = Node(len(self.nodes), kind, scale, content=content)
        self.nodes.append(node)
        return node

    def _node(self, avro: Avro, t: SqlType) -> Node:
        if avro.kind != "union":
            return self._value(avro, t)
        other = avro.optional
        if other is None or len(avro.branches) >= _MOST_BRANCHES:
            raise NotFastError
        node = self._value(other, t)
        # A place in a union is zig-zag as every number is.
        node.branch = 2 * avro.branches.index(other)
        node.null_branch = 2 * next(at for at, b in enumerate(avro.branches) if b.kind == "null")
        return node

    def _value(self, avro: Avro, t: SqlType) -> Node:
        kernel = self.kernel
        if avro.kind == "record" and isinstance(t, Struct):
            return self._record(avro, [Column(name, kind) for name, kind in t.fields])
        if avro.kind == "array" and isinstance(t, Array):
            node = self._add(kernel.ENTRIES)
            node.children = [self._node(avro.element, t.element)]
            return node
        if isinstance(t, Map) and ((avro.kind == "array" and avro.entry) or (avro.kind == "map" and t.key == STRING)):
            node = self._add(kernel.MAP)
            entry = avro.element
            key, value = (
                (entry.fields[0].type, entry.fields[1].type) if avro.kind == "array" else (Avro("string"), entry)
            )
            node.children = [self._node(key, t.key), self._node(value, t.value)]
            return node
        return self._scalar(avro, t)

    def _scalar(self, avro: Avro, t: SqlType) -> Node:
        kernel = self.kernel
        if avro.logical == "decimal":
            fits = isinstance(t, Decimal) and t.scale == avro.scale and t.precision <= avro.precision
            if not fits or avro.kind != "bytes":
                raise NotFastError
            return self._add(kernel.WIDE)
        scale = _INTEGERS.get((avro.kind, avro.logical, t))
        if scale is not None:
            return self._add(kernel.INT32 if t in (INTEGER, DATE) else kernel.INT64, scale=scale)
        kinds: dict[tuple[str, SqlType], int] = {
            ("boolean", BOOLEAN): kernel.BITS,
            ("double", DOUBLE): kernel.DOUBLE,
            ("string", STRING): kernel.TEXT,
            ("bytes", BYTES): kernel.TEXT,
        }
        kind = kinds.get((avro.kind, t))
        if kind is None:
            raise NotFastError
        return self._add(kind)

    def _record(self, avro: Avro, columns: Sequence[Column]) -> Node:
        places = matching([c.name for c in columns], [f.name for f in avro.fields])
        wanted = {place: at for at, place in enumerate(places) if place is not None}
        if len(wanted) < len(columns):
            raise NotFastError
        node = self._add(self.kernel.RECORD)
        for place, held in enumerate(avro.fields):
            at = wanted.get(place, -1)
            if at >= 0:
                node.children.append(self._node(held.type, columns[at].type))
            else:
                node.children.append(self._add(self.kernel.CONSTANT, content=constant(held)))
            node.source.append(at)
        return node

    def _depth(self, node: Node) -> int:
        return 1 + max(map(self._depth, node.children), default=0)

    # --- a batch ---------------------------------------------------------

    def write(self, batch: pa.RecordBatch) -> tuple[pa.BinaryArray, list[int]]:
        """The bytes of each row, and the rows that only the exact writer can judge (null, as bare nulls are).

        Raises:
            NotFastError: where the batch as a whole is for the exact writer.
        """
        rows = batch.num_rows
        place = _Places(self.kernel, len(self.nodes))
        held = [plain(array, c.type) for array, c in zip(batch.columns, self.columns, strict=True)]
        if self.record:
            for child, at in zip(self.root.children, self.root.source, strict=True):
                place.put(child, held[at] if at >= 0 else None, rows)
        else:
            place.put(self.root, held[0], rows)
        room = place.room + rows * (len(self.head) + 1)
        if room >= 1 << 31:
            raise NotFastError
        out = np.empty(room, dtype=np.uint8)
        ends = np.empty(rows + 1, dtype=np.int32)
        status = np.zeros(rows, dtype=np.uint8)
        used = self.kernel.write_rows(
            rows,
            *self.program,
            place.values,
            place.texts,
            place.starts,
            place.nulls,
            self.constants.ctypes.data,
            self.root.number,
            self.head.ctypes.data,
            len(self.head),
            out.ctypes.data,
            ends.ctypes.data,
            status.ctypes.data,
        )
        valid = pa.py_buffer(np.packbits(status == 0, bitorder="little")) if status.any() else None
        data = pa.BinaryArray.from_buffers(pa.binary(), rows, [valid, pa.py_buffer(ends), pa.py_buffer(out[:used])])
        wrong = status != 0 if self.record else status == 1
        return data, np.flatnonzero(wrong).tolist()


class _Places:
    """Where the kernel finds the arrays of a batch; `room`: bytes that are enough for all that is in them."""

    def __init__(self, kernel: ModuleType, size: int) -> None:
        self.kernel = kernel
        self.values, self.texts, self.starts, self.nulls = (np.zeros(size, dtype=np.int64) for _ in range(4))
        self.room = 0
        self.alive: list[pa.Array | npt.NDArray[np.int32]] = []  # what the addresses point into

    def put(self, node: Node, array: pa.Array | None, count: int) -> None:
        """Note the array of a node, and of those inside it; `count`: how often it is written at most."""
        kernel, n = self.kernel, node.number
        self.room += count * (kernel.WIDEST + len(node.content))
        if array is None:
            return
        self.alive.append(array)
        buffers = array.buffers()
        self.starts[n] = array.offset
        if array.null_count:
            self.nulls[n] = buffers[0].address
        if node.kind == kernel.RECORD:
            self._struct(node, array)
        elif node.kind in (kernel.ENTRIES, kernel.MAP):
            self._bounds(n, array, buffers[1])
            inner = [array.keys, array.items] if node.kind == kernel.MAP else [array.values]
            for child, held in zip(node.children, inner, strict=True):
                self.put(child, held, len(held))
        elif node.kind == kernel.TEXT:
            size = self._bounds(n, array, buffers[1])
            self.texts[n] = buffers[2].address if buffers[2] is not None else 0
            self.room += size
        elif len(array):
            self.values[n] = buffers[1].address

    def _struct(self, node: Node, array: pa.Array) -> None:
        for child, at in zip(node.children, node.source, strict=True):
            held = array.field(at) if at >= 0 else None
            self.put(child, held, len(array))

    def _bounds(self, n: int, array: pa.Array, offsets: pa.Buffer | None) -> int:
        """Note the offsets of texts or items; how much lies between the first and the last."""
        if offsets is None or len(array) == 0:
            nothing = np.zeros(1, dtype=np.int32)
            self.alive.append(nothing)
            self.values[n] = nothing.ctypes.data
            return 0
        self.values[n] = offsets.address
        bounds = np.frombuffer(offsets, dtype=np.int32)
        return int(bounds[array.offset + len(array)] - bounds[array.offset])
