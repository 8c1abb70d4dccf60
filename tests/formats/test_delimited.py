from __future__ import annotations

import csv
import io
from decimal import Decimal as PyDecimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ssql.formats import csv_text, delimited
from ssql.formats.api import Decoded, Encoded, FormatSpec
from ssql.formats.columns import utf8
from ssql.formats.registry import format_named
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
    Column,
    Decimal,
    SqlType,
)

VALUES: dict[SqlType, st.SearchStrategy[Any]] = {
    BOOLEAN: st.booleans(),
    INTEGER: st.integers(-(2**31), 2**31 - 1),
    BIGINT: st.integers(-(2**63), 2**63 - 1),
    DOUBLE: st.floats(allow_nan=False),
    STRING: st.text(min_size=1, max_size=6),
    BYTES: st.binary(min_size=1, max_size=6),
    DATE: st.integers(-(2**31), 2**31 - 1),
    TIME: st.integers(0, 86_399_999).map(lambda ms: ms * 1000),
    TIMESTAMP: st.integers(-(2**63), 2**63 - 1),
    Decimal(7, 3): st.decimals(-9999, 9999, places=3),
}


def spec(delimiter: str = ",") -> FormatSpec:
    return FormatSpec("DELIMITED", {"delimiter": delimiter})


def decode(rows: list[bytes | None], *types: SqlType, delimiter: str = ",") -> Decoded:
    columns = [Column(f"C{i}", t) for i, t in enumerate(types)]
    decoder = format_named("DELIMITED").decoder(spec(delimiter), columns, is_key=False)
    return decoder.decode(pa.array(rows, pa.binary()))


def encode(arrays: list[list[Any]], *types: SqlType, delimiter: str = ",") -> Encoded:
    columns = [Column(f"C{i}", t) for i, t in enumerate(types)]
    batch = pa.RecordBatch.from_arrays(
        [pa.array(a, t.arrow) for a, t in zip(arrays, types, strict=True)], names=[c.name for c in columns]
    )
    return format_named("DELIMITED").encoder(spec(delimiter), columns, is_key=False).encode(batch)


def physical(array: pa.Array) -> list[Any]:
    if pa.types.is_temporal(array.type):
        return array.view(pa.int32() if array.type == pa.date32() else pa.int64()).to_pylist()
    return array.to_pylist()


@settings(deadline=None)
@given(
    st.data(), st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=4), st.sampled_from([",", "|", "TAB", "x"])
)
def test_what_is_written_reads_back(data: st.DataObject, types: list[SqlType], delimiter: str) -> None:
    rows = data.draw(st.integers(0, 5))
    arrays = [data.draw(st.lists(st.none() | VALUES[t], min_size=rows, max_size=rows)) for t in types]
    encoded = encode(arrays, *types, delimiter=delimiter)
    assert encoded.bad == ()
    decoded = decode(encoded.data.to_pylist(), *types, delimiter=delimiter)
    assert decoded.bad == ()
    assert [physical(column) for column in decoded.batch.columns] == arrays


fields = st.one_of(
    st.sampled_from(
        ["", "1", "-1", "+1", "007", "1.5", ".5", "1e3", "true", "FALSE", "yes", "NaN", " 1", "dGVzdA==", "a b"]
    ),
    st.sampled_from(
        ["99999999999", "9223372036854775807", "9223372036854775808", "86400000", "1.2345", "1e400", "0x10"]
    ),
    st.integers().map(str),
    st.floats().map(repr),
    st.text(st.sampled_from('ab," \r\nü|'), max_size=5),
    st.text(st.sampled_from("ab, \n"), max_size=5).map('"{}"'.format),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=3),
    st.lists(st.none() | st.lists(fields, min_size=1, max_size=3).map(",".join) | st.just("\xff"), max_size=6),
    st.integers(0, 2),
)
@example([STRING], ["", '""', "\n", "a\nb", None], 0)
def test_whole_columns_read_as_row_by_row(types: list[SqlType], rows: list[str | None], skip: int) -> None:
    columns = [Column(f"C{i}", t) for i, t in enumerate(types)]
    data = pa.array([None if row is None else row.encode("latin-1", "replace") for row in rows], pa.binary())
    text, _ = utf8(data)
    for wanted in (columns, columns[1:]):
        decoder = delimited.DelimitedDecoder(columns, wanted, ",")
        arrays, bad = decoder._by_column(text.slice(skip))
        exact_arrays, exact_bad = decoder._by_row(text.slice(skip))
        assert sorted(bad, key=lambda row: row.index) == exact_bad
        assert repr([physical(a) for a in arrays]) == repr([physical(a) for a in exact_arrays])


def test_large_batches_are_read_by_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited.DelimitedDecoder, "_by_row", lambda *_: pytest.fail("read row by row"))
    rows: list[bytes | None] = [b"1,a"] * delimited.ARROW_ROWS
    assert decode(rows, INTEGER, STRING).batch.to_pydict() == {"C0": [1] * len(rows), "C1": ["a"] * len(rows)}


plain = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=6)


@given(st.lists(plain, min_size=1, max_size=4).filter(any))
def test_records_are_read_as_pythons_csv_writes_them(values: list[str]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(values)
    assert csv_text.fields(out.getvalue(), ",") == values


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a,b", ["a", "b"]),
        (",", ["", ""]),
        ("a,", ["a", ""]),
        ('"a,b",c', ["a,b", "c"]),
        ('"a""b" ,c', ['a"b', "c"]),
        (' "a",b"c', [' "a"', 'b"c']),
        ("\r\n\na,b\nc,d", ["a", "b"]),
        ('"a\nb"\r\n', ["a\nb"]),
        ('""', [""]),
    ],
)
def test_fields_of_the_first_record(text: str, found: list[str]) -> None:
    assert csv_text.fields(text, ",") == found


@pytest.mark.parametrize(
    ("value", "first", "written"),
    [
        ("abc", True, "abc"),
        ("-1", True, '"-1"'),
        ("-1", False, "-1"),
        ("_a", True, '"_a"'),
        ("é", True, '"é"'),
        ("é", False, "é"),
        ("", True, '""'),
        ("", False, ""),
        ("#a", False, '"#a"'),
        ("!a", False, '"!a"'),
        (" a", False, '" a"'),
        ("a ", False, '"a "'),
        ("a b", False, "a b"),
        ("a,b", False, '"a,b"'),
        ('a"b', False, '"a""b"'),
        ("a\nb", False, '"a\nb"'),
    ],
)
def test_fields_are_quoted_as_commons_csv_quotes_them(value: str, first: bool, written: str) -> None:
    assert csv_text.quoter(",", first=first)(value) == written


def test_a_bad_row_says_why_and_harms_no_other() -> None:
    rows = [b"1,a", b"x,a", b"1", b"1,2,3", b'"1', b"\xff,a", b"", None, b'"1"x,a', b"99999999999,b", b"2,", b",b"]
    decoded = decode(rows, INTEGER, STRING)
    assert [(row.index, row.reason) for row in decoded.bad] == [
        (1, 'field C0: cannot read "x" as INTEGER'),
        (2, "expected 2 fields, got 1"),
        (3, "expected 2 fields, got 3"),
        (4, "a quoted field does not end"),
        (5, "not valid UTF-8"),
        (6, "no fields in the record"),
        (8, 'unexpected "x" after a quoted field'),
        (9, "field C0: 99999999999 is out of range for INTEGER"),
    ]
    assert decoded.batch.to_pylist() == [
        {"C0": 1, "C1": "a"},
        *[{"C0": None, "C1": None}] * 9,
        {"C0": 2, "C1": None},
        {"C0": None, "C1": "b"},
    ]


def test_values_are_written_as_text() -> None:
    arrays: list[list[Any]] = [
        [PyDecimal("-1.5"), None],
        [1e7, 0.5],
        [b"\xff", None],
        [True, False],
        [-5, None],
        [-1, 0],
        [1000, None],
    ]
    encoded = encode(arrays, Decimal(20, 10), DOUBLE, BYTES, BOOLEAN, DATE, TIMESTAMP, TIME)
    assert encoded.data.to_pylist() == [b'"-1.5000000000",1.0E7,/w==,true,-5,-1,1', b",0.5,,false,,0,"]


def test_a_single_null_column_has_no_bytes() -> None:
    assert encode([["a", None, ""]], STRING).data.to_pylist() == [b"a", None, b'""']


def test_delimiters() -> None:
    assert decode([b"a b"], STRING, STRING, delimiter="SPACE").batch.to_pylist() == [{"C0": "a", "C1": "b"}]
    assert encode([["a\tb"], ["c,d"]], STRING, STRING, delimiter="TAB").data.to_pylist() == [b'"a\tb"\tc,d']
