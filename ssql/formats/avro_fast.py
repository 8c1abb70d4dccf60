"""The compiled Avro reader's other half: a program for the kernel, and its buffers as Arrow columns.

A program can be made where columns are what the writer's schema says, integers widened at most; see `avro_kernel` for
what it does, and `kernels` for when it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ssql.formats.avro_values import matching
from ssql.formats.columns import binary_parts
from ssql.formats.scalars import DAY_MS
from ssql.schemas.avro import Avro
from ssql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    MAX_PRECISION,
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

_Ints = npt.NDArray[np.int64]
_HALF = (1 << 64) - 1
_WIDEST = 16  # bytes of a fixed decimal
_LARGEST_TEXT = (1 << 31) - 1  # bytes: what 32-bit offsets can say

#: What columns an integer of a logical type can be, and by what its numbers are multiplied (or, negative, divided).
_INTEGERS: dict[tuple[str, SqlType], int] = {
    ("", INTEGER): 1,
    ("", BIGINT): 1,
    ("", DOUBLE): 1,
    ("", TIMESTAMP): 1,
    ("", DATE): 1,
    ("date", DATE): 1,
    ("timestamp-millis", TIMESTAMP): 1,
    ("local-timestamp-millis", TIMESTAMP): 1,
    ("timestamp-micros", TIMESTAMP): -1000,
    ("local-timestamp-micros", TIMESTAMP): -1000,
    ("time-millis", TIME): 1000,
}


class NotFastError(Exception):
    """The kernel cannot read this: the exact reader does."""


@dataclass
class Target:
    """Where the kernel puts the values of one type. `children`: of a list its items, of a map key and value."""

    number: int
    type: SqlType
    scale: int = 1
    symbols: tuple[str, ...] = ()
    real: bool = False  # entries are doubles
    children: list[Target | None] = field(default_factory=list)

    @property
    def ends(self) -> bool:
        return (self.type in (STRING, BYTES) and not self.symbols) or isinstance(self.type, Array | Map)

    def level(self) -> list[Target]:
        """This one, and those inside it that have an entry for each of its entries."""
        inside = self.children if isinstance(self.type, Struct) else []
        return [self, *(t for child in inside if child is not None for t in child.level())]


class Program:
    """The nodes of a writer's schema for the columns that are wanted."""

    def __init__(self, avro: Avro, columns: Sequence[Column], *, record: bool, kernel: ModuleType) -> None:
        """
        Raises:
            NotFastError: where the kernel does not read it, or not to these columns.
        """
        self.kernel = kernel
        self.kinds: list[int] = []
        self.targets: list[int] = []
        self.spans: list[tuple[int, int]] = []
        self.children: list[int] = []
        self.made: list[Target] = []
        self._skipped: dict[int, int] = {}
        self.columns: list[Target | None]
        if record:
            body = avro.optional if avro.kind == "union" else avro
            if body is not avro or body is None:
                raise NotFastError  # a record that may be null
            self.columns, self.root = self._record(body, columns, top=True)
        else:
            target = self._target(columns[0].type) if columns else None
            self.columns = [target]
            self.root = self._node(avro, columns[0].type, target) if target is not None else self._skip(avro)

    # --- nodes -----------------------------------------------------------

    def _add(
        self, kind: int, target: Target | None = None, children: Sequence[int] | None = None, size: int = 0
    ) -> int:
        self.kinds.append(kind)
        self.targets.append(-1 if target is None else target.number)
        if children is None:
            self.spans.append((size, size))
        else:
            self.spans.append((len(self.children), len(self.children) + len(children)))
            self.children += children
        return len(self.kinds) - 1

    def _target(self, t: SqlType) -> Target:
        target = Target(len(self.made), t)
        self.made.append(target)
        return target

    def _node(self, avro: Avro, t: SqlType, target: Target) -> int:
        """The node that reads `avro` into the target."""
        kernel = self.kernel
        if avro.kind == "union":
            other = avro.optional
            if other is None:
                raise NotFastError
            null = self._add(kernel.NULL, target)
            node = self._node(other, t, target)
            return self._add(kernel.UNION, None, [null if b.kind == "null" else node for b in avro.branches])
        if avro.kind == "record" and isinstance(t, Struct):
            columns = [Column(name, kind) for name, kind in t.fields]
            target.children, node = self._record(avro, columns)
            self.targets[node] = target.number
            return node
        if avro.kind == "array" and isinstance(t, Array):
            item = self._target(t.element)
            target.children = [item]
            return self._add(kernel.ENTRIES, target, [self._node(avro.element, t.element, item)])
        if avro.kind == "array" and avro.entry and isinstance(t, Map):
            key, value = self._target(t.key), self._target(t.value)
            target.children = [key, value]
            fields = avro.element.fields
            nodes = [self._node(fields[0].type, t.key, key), self._node(fields[1].type, t.value, value)]
            return self._add(kernel.ENTRIES, target, [self._add(kernel.RECORD, None, nodes)])
        if avro.kind == "map" and isinstance(t, Map) and t.key == STRING:
            key, value = self._target(STRING), self._target(t.value)
            target.children = [key, value]
            key_node = self._add(kernel.BYTES, key)
            return self._add(kernel.MAP, target, [key_node, self._node(avro.element, t.value, value)])
        return self._scalar(avro, t, target)

    def _scalar(self, avro: Avro, t: SqlType, target: Target) -> int:
        kernel = self.kernel
        if avro.logical == "decimal":
            if not isinstance(t, Decimal) or t.scale != avro.scale or avro.size > _WIDEST:
                raise NotFastError
            if avro.kind == "fixed":
                return self._add(kernel.WIDE_FIXED, target, size=avro.size)
            return self._add(kernel.WIDE_BYTES, target)
        if avro.kind in ("int", "long"):
            scale = _INTEGERS.get((avro.logical, t))
            if scale is None or (avro.kind == "long" and t in (INTEGER, DATE)):
                raise NotFastError
            target.scale = scale
            return self._add(kernel.INT if avro.kind == "int" else kernel.LONG, target)
        if avro.kind in ("float", "double") and t == DOUBLE:
            target.real = True
            return self._add(kernel.FLOAT if avro.kind == "float" else kernel.DOUBLE, target)
        if avro.kind == "enum" and t == STRING and avro.symbols:
            target.symbols = avro.symbols
            return self._add(kernel.ENUM, target, size=len(avro.symbols))
        if avro.kind == "fixed" and t == BYTES:
            return self._add(kernel.FIXED, target, size=avro.size)
        same: dict[tuple[str, SqlType], int] = {
            ("boolean", BOOLEAN): kernel.BOOLEAN,
            ("string", STRING): kernel.BYTES,
            ("bytes", BYTES): kernel.BYTES,
        }
        kind = same.get((avro.kind, t))
        if kind is None:
            raise NotFastError
        return self._add(kind, target)

    def _record(self, avro: Avro, columns: Sequence[Column], *, top: bool = False) -> tuple[list[Target | None], int]:
        """The targets of the columns and the node of the record. `top`: what follows the last column is not read."""
        if avro.kind != "record":
            raise NotFastError
        places = matching([c.name for c in columns], [f.name for f in avro.fields])
        targets = [None if place is None else self._target(c.type) for c, place in zip(columns, places, strict=True)]
        wanted: dict[int, int] = {}
        for at, place in enumerate(places):
            if place is not None:
                if place in wanted:
                    raise NotFastError  # one field for two columns
                wanted[place] = at
        nodes: list[int] = []
        for place, held in enumerate(avro.fields[: max(wanted, default=-1) + 1] if top else avro.fields):
            at = wanted.get(place, -1)
            target = targets[at] if at >= 0 else None
            nodes.append(self._skip(held.type) if target is None else self._node(held.type, columns[at].type, target))
        return targets, self._add(self.kernel.RECORD, None, nodes)

    def _skip(self, avro: Avro) -> int:
        """The node that passes over an `avro`. Schemas may be recursive, so named ones are made once."""
        if id(avro) in self._skipped:
            return self._skipped[id(avro)]
        kernel = self.kernel
        simple = {
            "null": kernel.NULL, "boolean": kernel.BOOLEAN, "int": kernel.INT, "long": kernel.LONG,
            "float": kernel.FLOAT, "double": kernel.DOUBLE, "bytes": kernel.BYTES, "string": kernel.BYTES,
        }  # fmt: skip
        if avro.kind in simple:
            return self._add(simple[avro.kind])
        if avro.kind == "fixed":
            return self._add(kernel.FIXED, size=avro.size)
        if avro.kind == "enum":
            return self._add(kernel.ENUM, size=len(avro.symbols))
        kinds = {"record": kernel.RECORD, "array": kernel.ENTRIES, "map": kernel.MAP, "union": kernel.UNION}
        node = self._skipped[id(avro)] = self._add(kinds[avro.kind])
        inner = {"record": [f.type for f in avro.fields], "union": avro.branches}.get(avro.kind, [avro.items])
        nodes = [self._skip(one) for one in inner if one is not None]
        if avro.kind == "map":
            nodes.insert(0, self._add(kernel.BYTES))
        self.spans[node] = (len(self.children), len(self.children) + len(nodes))
        self.children += nodes
        return node


class KernelReader:
    """Reads batches of rows with the compiled kernel of `avro_kernel`."""

    def __init__(self, avro: Avro, columns: Sequence[Column], *, record: bool, kernel: ModuleType) -> None:
        """
        Raises:
            NotFastError: where the kernel does not read it, or not to these columns.
        """
        self.types = [c.type for c in columns]
        self.kernel = kernel
        program = Program(avro, columns, record=record, kernel=kernel)
        self.program = program
        self.nodes = tuple(
            np.array(part, dtype=np.int64)
            for part in (
                program.kinds,
                program.targets,
                [first for first, _ in program.spans],
                [last for _, last in program.spans],
                program.children,
            )
        )
        levels = [[t.number for t in target.level()] for target in program.made]
        limits = np.zeros(2 * len(program.made), dtype=np.uint64)
        for target in program.made:
            if isinstance(target.type, Decimal):
                limit = 10 ** min(target.type.precision, MAX_PRECISION)
                limits[2 * target.number], limits[2 * target.number + 1] = limit & _HALF, limit >> 64
        self.targets = (
            np.array([t.number for t in program.columns if t is not None], dtype=np.int64),
            np.cumsum([0, *map(len, levels)], dtype=np.int64),
            np.array([n for level in levels for n in level], dtype=np.int64),
            np.array([t.ends for t in program.made], dtype=np.int64),
            limits.view(np.int64),
        )
        self.has_wide = any(isinstance(t.type, Decimal) for t in program.made)

    def read(self, payload: pa.BinaryArray) -> tuple[list[pa.Array], list[int]]:
        """The columns, and the rows that only the exact reader can judge (null in every column).

        Raises:
            NotFastError: where the batch as a whole is for the exact reader.
        """
        rows, width = len(payload), len(self.program.made)
        offsets, data = binary_parts(payload)
        offsets = np.ascontiguousarray(offsets)
        status = np.zeros(rows, dtype=np.uint8)
        used, items = np.zeros(width, dtype=np.int64), np.zeros(width, dtype=np.int64)
        base, text_base = np.zeros(width, dtype=np.int64), np.zeros(width, dtype=np.int64)
        nothing = np.zeros(1, dtype=np.int64)

        def walk(
            entries: _Ints, highs: _Ints, valid: npt.NDArray[np.uint8], text: npt.NDArray[np.uint8], write: bool
        ) -> int:
            doubtful: int = self.kernel.read_rows(
                rows,
                data.ctypes.data,
                offsets.ctypes.data,
                *self.nodes,
                self.program.root,
                *self.targets,
                base,
                text_base,
                used,
                items,
                entries.ctypes.data,
                highs.ctypes.data,
                valid.ctypes.data,
                text.ctypes.data,
                status.ctypes.data,
                write,
            )
            return doubtful

        none = nothing.view(np.uint8)
        doubtful = walk(nothing, nothing, none, none, False)
        if len(items) and items.max() > _LARGEST_TEXT:
            raise NotFastError
        base[1:] = np.cumsum(used)[:-1]
        text_base[1:] = np.cumsum(items)[:-1]
        entries = np.empty(int(used.sum()), dtype=np.int64)
        highs = np.empty(len(entries) if self.has_wide else 0, dtype=np.int64)
        valid = np.empty(len(entries), dtype=np.uint8)
        text = np.empty(int(items.sum()), dtype=np.uint8)
        walk(entries, highs, valid, text, True)
        parts = _Parts(entries, highs, valid, text, base, text_base, used, items)
        arrays = [
            pa.nulls(rows, t.arrow) if target is None else parts.array(target)
            for target, t in zip(self.program.columns, self.types, strict=True)
        ]
        return arrays, np.flatnonzero(status).tolist() if doubtful else []


@dataclass
class _Parts:
    """What the kernel wrote; see `read_rows`."""

    entries: _Ints
    highs: _Ints
    valid: npt.NDArray[np.uint8]
    text: npt.NDArray[np.uint8]
    base: _Ints
    text_base: _Ints
    used: _Ints
    items: _Ints

    def array(self, target: Target) -> pa.Array:
        """The entries of a target as an array of its type."""
        n, count = target.number, int(self.used[target.number])
        first = int(self.base[n])
        entries, flags = self.entries[first : first + count], self.valid[first : first + count]
        nulls = None if flags.all() else pa.py_buffer(np.packbits(flags, bitorder="little"))
        t = target.type
        if isinstance(t, Struct):
            children = [
                pa.nulls(count, kind.arrow) if child is None else self.array(child)
                for child, (_, kind) in zip(target.children, t.fields, strict=True)
            ]
            return pa.Array.from_buffers(t.arrow, count, [nulls], children=children)
        if target.ends:
            offsets = np.zeros(count + 1, dtype=np.int32)
            offsets[1:] = entries
            return self._listed(target, count, nulls, pa.py_buffer(offsets))
        return _scalars(target, entries, self.highs[first : first + count], flags, nulls)

    def _listed(self, target: Target, count: int, nulls: pa.Buffer | None, offsets: pa.Buffer) -> pa.Array:
        t = target.type
        if isinstance(t, Array):
            assert target.children[0] is not None
            return pa.Array.from_buffers(t.arrow, count, [nulls, offsets], children=[self.array(target.children[0])])
        if isinstance(t, Map):
            key, value = (self.array(child) for child in target.children if child is not None)
            if key.null_count:
                key = pc.fill_null(key, "null")
            fields = [pa.field("key", t.key.arrow, nullable=False), pa.field("value", t.value.arrow)]
            entries = pa.StructArray.from_arrays([key, value], fields=fields)
            return pa.Array.from_buffers(t.arrow, count, [nulls, offsets], children=[entries])
        first = int(self.text_base[target.number])
        content = pa.py_buffer(self.text[first : first + int(self.items[target.number])])
        held = pa.Array.from_buffers(pa.binary(), count, [nulls, offsets, content])
        if t == BYTES:
            return held
        try:
            return held.cast(pa.string())
        except pa.ArrowInvalid:
            raise NotFastError from None


def _scalars(
    target: Target, entries: _Ints, highs: _Ints, flags: npt.NDArray[np.uint8], nulls: pa.Buffer | None
) -> pa.Array:
    t, count = target.type, len(entries)
    if target.symbols:
        return pa.array(target.symbols).take(pa.array(entries, mask=flags == 0))
    if isinstance(t, Decimal):
        both = np.stack([entries, highs], axis=1)
        return pa.Array.from_buffers(t.arrow, count, [nulls, pa.py_buffer(both)])
    if t == BOOLEAN:
        values = pa.py_buffer(np.packbits(entries.astype(np.bool_), bitorder="little"))
    elif t in (INTEGER, DATE):
        values = pa.py_buffer(entries.astype(np.int32))
    elif t == DOUBLE and not target.real:
        values = pa.py_buffer(entries.astype(np.float64))
    elif t == TIME:
        if ((entries < 0) | (entries >= DAY_MS)).any():
            raise NotFastError
        values = pa.py_buffer(entries * target.scale)
    else:
        values = pa.py_buffer(entries // -target.scale if target.scale < 0 else entries)
    return pa.Array.from_buffers(t.arrow, count, [nulls, values])
