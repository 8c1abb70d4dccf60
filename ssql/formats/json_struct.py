"""The interpreted fast reader of JSON: one msgspec struct a schema, one decode a row, columns built from lists.

Used while the compiled kernel is not ready and for small batches. The struct has a member for every needed column and
for every other spelling of its name that was seen, and its types are strict: a row that does not fit as it is, or
that may hold a spelling not seen yet, is doubtful and is read by the exact reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Annotated, Any, Union

import msgspec
import pyarrow as pa
from msgspec import UNSET, Meta, Raw, UnsetType

from ssql.formats.json_cells import read_cells
from ssql.formats.scalars import DAY_MS, INT32, INT64
from ssql.types import BIGINT, BOOLEAN, DATE, DOUBLE, INTEGER, STRING, TIME, TIMESTAMP, Column, SqlType

_SPELLINGS = 6  # of one name that are kept; rows with others take the exact reader
_LESSONS = 8  # first batches whose first rows are searched for spellings; later only doubtful rows are


def _whole(bounds: tuple[int, int]) -> Any:
    return Annotated[int, Meta(ge=bounds[0], le=bounds[1])]


#: What msgspec reads exactly as the exact reader does; every other type is kept as its JSON text.
_TYPES: dict[SqlType, Any] = {
    BOOLEAN: bool,
    INTEGER: _whole(INT32),
    BIGINT: _whole(INT64),
    DOUBLE: float,
    STRING: str,
    DATE: _whole(INT32),
    TIME: _whole((0, DAY_MS - 1)),
    TIMESTAMP: _whole(INT64),
}

#: Text whose upper case is ASCII though it is not (sharp s, dotless i, long s, the Latin ligatures), in UTF-8.
_EXOTIC = re.compile(rb"\xc3\x9f|\xc4\xb1|\xc5\xbf|\xef\xac[\x80-\x86]")
#: What a name may hold that need not stand in the JSON as it is.
_NEEDS_ESCAPE = re.compile(r'[^\x20-\x7e]|["\\]')


class StructReader:
    """Reads batches of rows with msgspec. Learns the spellings of names as it goes; the results do not depend on it."""

    def __init__(self, columns: Sequence[Column], *, record: bool) -> None:
        self.columns = tuple(columns)
        self.record = record
        #: The exact name of each column, and then its other spellings.
        self.spellings = [list(dict.fromkeys((c.name, *_lower(c.name)))) for c in columns]
        self.lessons = _LESSONS
        self._build()

    def _build(self) -> None:
        if not self.record:
            kind: Any = _TYPES.get(self.columns[0].type, Raw) if self.columns else Raw
            self.decode = msgspec.json.Decoder(Union[kind, None] if kind is not Raw else Raw).decode  # noqa: UP007
            return
        fields: list[tuple[str, Any, Any]] = []
        rename: dict[str, str] = {}
        self.first: list[int] = []  # where the spellings of each column begin among the members
        for column, names in zip(self.columns, self.spellings, strict=True):
            self.first.append(len(fields))
            kind = _TYPES.get(column.type, Raw)
            for name in names:
                member = f"m{len(fields)}"
                rename[member] = name
                fields.append((member, Raw | UnsetType if kind is Raw else Union[kind, None, UnsetType], UNSET))  # noqa: UP007
        self.members = len(fields)
        row = msgspec.defstruct("Row", fields, rename=rename, gc=False)
        self.nothing = row()
        self.decode = msgspec.json.Decoder(row | None).decode

    def read(self, text: pa.StringArray) -> tuple[list[pa.Array], list[int]]:
        """The columns, and the rows that only the exact reader can judge (they are null in every column)."""
        raws = text.cast(pa.binary()).to_pylist()
        if self.record and self.lessons:
            self.lessons -= 1
            self._learn(raw for raw in raws[:8] if raw is not None)
        decode = self.decode
        rows: list[Any] = []
        doubtful: set[int] = set()
        for index, raw in enumerate(raws):
            row = None
            if raw is not None:
                try:
                    row = decode(raw)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    doubtful.add(index)
            rows.append(row)
        columns = self._members(raws, rows, doubtful) if self.record else [rows]
        arrays = []
        for column, values in zip(self.columns, columns, strict=False):
            array, misfits = _build_column(values, column)
            doubtful.update(misfits)
            arrays.append(array)
        return arrays, sorted(doubtful)

    def _members(self, raws: list[bytes | None], rows: list[Any], doubtful: set[int]) -> list[list[Any]]:
        """The values of each column; rows in which a name may be spelled in a way not known become doubtful."""
        if not self.columns:
            return []
        nothing = self.nothing
        as_tuple = msgspec.structs.astuple
        members = [list(m) for m in zip(*[as_tuple(nothing if row is None else row) for row in rows], strict=True)]
        members = members or [[] for _ in range(self.members)]
        read = [index for index, row in enumerate(rows) if row is not None]
        lower = _Lower([raws[index] or b"" for index in read])
        result: list[list[Any]] = []
        unknown: set[int] = set()
        for at, names in enumerate(self.spellings):
            first = self.first[at]
            values = members[first]
            missing = values.count(UNSET)
            if missing:
                used = [m for m in members[first + 1 : first + len(names)] if m.count(UNSET) < len(rows)]
                for other in used:
                    values = [b if a is UNSET else a for a, b in zip(values, other, strict=True)]
                found = len(rows) - values.count(UNSET)
                if len(used) > 1 or not self._all_found(at, lower, found):
                    unknown.update(self._hiding(at, read, lower, members[first], used))
                values = [None if value is UNSET else value for value in values]
            result.append(values)
        if unknown:
            doubtful |= unknown
            self._learn(raws[index] or b"" for index in sorted(unknown)[:8])
        for values in result if doubtful else ():
            for index in doubtful:
                values[index] = None
        return result

    def _all_found(self, column: int, lower: _Lower, found: int) -> bool:
        """True where it is plain that only the `found` rows with a value hold a name, once each."""
        name = self.columns[column].name
        if _NEEDS_ESCAPE.search(name):
            return False
        if name != name.upper():
            return True  # no upper case of a name is this one, so it has one spelling
        return lower.plain and lower.joined.count(f'"{name.lower()}"'.encode()) == found

    def _hiding(
        self, column: int, read: list[int], lower: _Lower, exact: list[Any], others: list[list[Any]]
    ) -> Iterable[int]:
        """The rows without the exact name that may hold more spellings of it than were found."""
        name = self.columns[column].name
        wanted = f'"{name.lower()}"'.encode()
        for place, index in enumerate(read):
            if exact[index] is UNSET:
                found = sum(other[index] is not UNSET for other in others)
                row = lower.rows[place]
                if found > 1 or _NEEDS_ESCAPE.search(name) or not _is_plain(row) or row.lower().count(wanted) > found:
                    yield index

    def _learn(self, raws: Iterable[bytes]) -> None:
        """Take up the spellings of names that `raws` show; a text value taken for a name does no harm."""
        learned = False
        for raw in raws:
            lower = raw.lower()
            for names in self.spellings:
                wanted = f'"{names[0].lower()}"'.encode()
                at = lower.find(wanted)
                while at >= 0 and len(names) < _SPELLINGS:
                    name = raw[at + 1 : at + len(wanted) - 1].decode("utf-8", "replace")
                    if name not in names and name.upper() == names[0]:
                        names.append(name)
                        learned = True
                    at = lower.find(wanted, at + 1)
        if learned:
            self._build()


def _is_plain(raw: bytes) -> bool:
    """False where an ASCII name in `raw` may be spelled with escapes or exotic characters."""
    return not (b"\\u" in raw or b"\\/" in raw or (not raw.isascii() and _EXOTIC.search(raw)))


class _Lower:
    """The rows of a batch together, in lower case: most questions about names are answered by one search."""

    def __init__(self, rows: list[bytes]) -> None:
        self.rows = rows

    @cached_property
    def joined(self) -> bytes:
        return b"\n".join(self.rows).lower()

    @cached_property
    def plain(self) -> bool:
        return _is_plain(self.joined)


def _lower(name: str) -> tuple[str, ...]:
    return (name.lower(),) if name.lower().upper() == name else ()


def _build_column(values: list[Any], column: Column) -> tuple[pa.Array, list[int]]:
    """One column from decoded values, and the rows that do not fit after all."""
    t = column.type
    if t not in _TYPES:
        cells = pa.array([None if v is None else bytes(v) for v in values], type=pa.binary()).cast(pa.string())
        return read_cells(cells, column)
    if t == TIME:
        values = [None if v is None else v * 1000 for v in values]
    return pa.array(values, type=t.arrow), []
