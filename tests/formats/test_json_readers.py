"""All readers of JSON give the same: the compiled kernel, msgspec, the exact reader, and a plain one written here."""

from __future__ import annotations

import base64
import datetime
import json
import math
import re
from decimal import Decimal as PyDecimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ssql import kernels
from ssql.formats import json as json_format
from ssql.formats.api import Decoded
from ssql.formats.json import JsonDecoder
from ssql.formats.json_fast import KernelReader
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

pytestmark = pytest.mark.usefixtures("warm")

SCALARS: tuple[SqlType, ...] = (BOOLEAN, INTEGER, BIGINT, DOUBLE, STRING, DATE, TIME, TIMESTAMP, BYTES, Decimal(6, 2))
NESTED: tuple[SqlType, ...] = (
    Array(INTEGER),
    Map(STRING, DOUBLE),
    Struct((("A", BIGINT), ("b", Array(STRING)))),
    Array(Struct((("D", Decimal(4, 1)), ("T", TIME)))),
)
NAMES = ("ID", "NAME", "x", "Mixed", "WITH SPACE", "ÄÖ", "SS", "A_1")


# -- the plain reader ---------------------------------------------------------------------------------------------


class Bad(Exception):
    pass


class Num(str):
    pass


def no_constant(name: str) -> None:
    raise Bad(name)


def plain_value(v: Any, t: SqlType) -> Any:
    """What the rules say, in the plainest Python."""
    if v is None:
        return None
    if isinstance(t, Array):
        if not isinstance(v, list):
            raise Bad
        return [plain_value(x, t.element) for x in v]
    if isinstance(t, Map):
        if not isinstance(v, dict):
            raise Bad
        return [(k, plain_value(x, t.value)) for k, x in v.items()]
    if isinstance(t, Struct):
        return plain_object(v, t.fields)
    if t == BOOLEAN:
        if not isinstance(v, bool):
            raise Bad
        return v
    if t == STRING:
        text = v if isinstance(v, str) else compact(v)
        if re.search("[\ud800-\udfff]", text):
            raise Bad
        return str(text)
    if not isinstance(v, str):
        raise Bad
    if t == BYTES:
        if isinstance(v, Num):
            raise Bad
        try:
            return base64.b64decode(v, validate=True)
        except ValueError:
            raise Bad from None
    if t == DOUBLE:
        if not re.fullmatch(r"\s*[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[fFdD]?|NaN|Infinity)\s*", v, re.ASCII):
            raise Bad
        value = float(v.strip().rstrip("fFdD")) if v.strip()[-1:] not in "yN" else float(v)
        if math.isinf(value) and "Inf" not in v:
            raise Bad
        return 0.0 if isinstance(v, Num) and v == "-0" else value
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", v, re.ASCII):
        raise Bad
    if abs(int(v.lower().partition("e")[2] or "0")) > 500:
        raise Bad  # the examples with such exponents fit no type
    number = PyDecimal(v)
    if isinstance(t, Decimal):
        scaled = number.scaleb(t.scale)
        if scaled != int(scaled) or abs(int(scaled)) >= 10**t.precision:
            raise Bad
        return number
    if not isinstance(v, Num) and not re.fullmatch(r"[+-]?\d+", v, re.ASCII):
        raise Bad
    whole = int(number)
    bits = 31 if t in (INTEGER, DATE) else 63
    if not -(2**bits) <= whole < 2**bits:
        raise Bad
    if t == TIME:
        if not 0 <= whole < 86_400_000:
            raise Bad
        return whole * 1000
    return whole


def compact(v: Any) -> str:
    if isinstance(v, Num):
        return str(v)
    if isinstance(v, list):
        return "[" + ",".join(map(compact, v)) + "]"
    if isinstance(v, dict):
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{compact(x)}" for k, x in v.items()) + "}"
    return json.dumps(v, ensure_ascii=False)


def plain_object(v: Any, fields: tuple[tuple[str, SqlType], ...]) -> dict[str, Any]:
    if not isinstance(v, dict):
        raise Bad
    result = {}
    for name, t in fields:
        spelled = [k for k in v if k.upper() == name]
        result[name] = plain_value(v[name] if name in v else v[spelled[-1]] if spelled else None, t)
    return result


def plain_row(raw: bytes | None, columns: list[Column], record: bool) -> list[Any] | None:
    """The values of a row; None where the row is null; raises Bad."""
    if raw is None:
        return None
    try:
        v = json.loads(raw.decode(), parse_float=Num, parse_int=Num, parse_constant=no_constant)
    except (ValueError, RecursionError):
        raise Bad from None
    if v is None:
        return None
    if not record:
        return [plain_value(v, columns[0].type)]
    return list(plain_object(v, tuple((c.name, c.type) for c in columns)).values())


def physical(array: pa.Array, t: SqlType) -> list[Any]:
    """Values of a column, times as numbers so that no value is out of Python's range."""
    if t == DATE:
        return array.view(pa.int32()).to_pylist()
    if t in (TIME, TIMESTAMP):
        return array.view(pa.int64()).to_pylist()
    if isinstance(t, Array) and isinstance(t.element, Struct):
        return [None if v is None else [_times(x) for x in v] for v in array.to_pylist()]
    return array.to_pylist()


def _times(v: Any) -> Any:
    if isinstance(v, dict):
        return {k: _times(x) for k, x in v.items()}
    if isinstance(v, datetime.time):
        return ((v.hour * 60 + v.minute) * 60 + v.second) * 1_000_000 + v.microsecond
    return v


# -- the readers under test ---------------------------------------------------------------------------------------


class Forced(JsonDecoder):
    """A decoder that takes one way, whatever the size of the batch."""

    def __init__(self, columns: list[Column], *, record: bool, way: str) -> None:
        super().__init__(columns, record=record)
        self.way = way
        kernel = kernels.kernel("ssql.formats.json_kernel")
        assert kernel is not None
        self.compiled = KernelReader(columns, record=record, kernel=kernel)

    def _read(self, text: pa.StringArray) -> tuple[list[pa.Array], list[int]]:
        if self.way == "struct" and not self.odd:
            return self.struct.read(text)
        if self.way == "kernel" and not self.odd:
            assert self.compiled is not None
            return self.compiled.read(text)
        nothing = [pa.nulls(len(text), c.type.arrow) for c in self.columns]
        return nothing, [i for i, ok in enumerate(text.is_valid().to_pylist()) if ok]


def same(a: Any, b: Any) -> bool:
    """Equal, NaN to itself, and zero only to the zero of its sign."""
    if isinstance(a, float) and isinstance(b, float):
        return repr(a) == repr(b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def check(columns: list[Column], rows: list[bytes | None], record: bool = True) -> Decoded:
    data = pa.array(rows, pa.binary())
    exact = Forced(columns, record=record, way="exact").decode(data)
    expected: list[list[Any] | None] = []
    bad = set()
    for index, raw in enumerate(rows):
        try:
            expected.append(plain_row(raw, columns, record))
        except Bad:
            expected.append(None)
            bad.add(index)
    assert {row.index for row in exact.bad} == bad
    for at, column in enumerate(columns):
        found = physical(exact.batch.column(at), column.type)
        wanted = [None if row is None else row[at] for row in expected]
        assert same(found, wanted), (column, found, wanted)
    for way in ("struct", "kernel"):
        decoder = Forced(columns, record=record, way=way)
        for _ in range(2):  # a reader that has learned from a batch reads the same as before
            fast = decoder.decode(data)
            fast.batch.validate(full=True)
            assert fast.bad == exact.bad, way
            for at, column in enumerate(columns):
                found = physical(fast.batch.column(at), column.type)
                wanted = physical(exact.batch.column(at), column.type)
                assert same(found, wanted), (way, column, found, wanted)
    return exact


# -- what they are given ------------------------------------------------------------------------------------------

blanks = st.sampled_from(["", "", "", " ", "\n", "\t ", "\r\n"])
digits = st.text("0123456789", min_size=1, max_size=22)
number_texts = st.one_of(
    st.integers().map(str),
    st.integers(-(2**63) - 2, 2**63 + 2).map(str),
    st.sampled_from([2**31, -(2**31), 2**31 - 1, 2**63 - 1, -(2**63), 2**63, 0, 86_399_999, 86_400_000]).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(-10000, 10000, places=2).map(str),
    st.sampled_from(["-0", "0.0", "-0.0", "1e3", "1E+2", "1.50e1", "1e-2", "1e400", "-1e400", "1e-400", "0e500"]),
    st.sampled_from(["01", "-", "1.", ".5", "+1", "1e", "0x1", "--1", "1_0", "NaN", "Infinity"]),
    st.builds("{}.{}e{}".format, digits, digits, st.integers(-330, 330)),
)
escapes = st.sampled_from(
    ['\\"', "\\\\", "\\/", "\\n", "\\t", "\\b", "\\f", "\\r", "\\u0041", "\\u00e9", "\\ud83d\\ude00"]
)
bad_escapes = st.sampled_from(["\\ud800", "\\udc00\\ud800", "\\u12", "\\x", "\\ud83dx", "\n", "\x01", "\\u00g0"])
plain_texts = st.text(st.characters(exclude_characters='"\\', exclude_categories=("Cs", "Cc")), max_size=6)
text_bodies = st.lists(st.one_of(plain_texts, plain_texts, escapes, st.one_of(escapes, bad_escapes)), max_size=4).map(
    "".join
)
special_texts = st.one_of(
    number_texts,
    st.binary(max_size=5).map(lambda b: base64.b64encode(b).decode()),
    st.sampled_from(
        ["NaN", "-Infinity", "+Infinity", "Infinity", " 1 ", "1f", "1e5d", "true", "null", "dGV", "dGW=", ""]
    ),
)
texts = st.one_of(text_bodies, special_texts).map('"{}"'.format)
scalars = st.one_of(st.sampled_from(["true", "false", "null", "True", "nul", "tru"]), number_texts, texts, texts)


def containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    names = st.sampled_from(['"A"', '"a"', '"b"', '"B"', '"D"', '"T"', '"t"', '"k"', '"\\u0041"'])
    member = st.builds("{}{}:{}{}".format, names, blanks, blanks, inner)
    return st.one_of(
        st.lists(inner, max_size=3).map(lambda xs: "[" + ", ".join(xs) + "]"),
        st.lists(member, max_size=3).map(lambda xs: "{" + ",".join(xs) + "}"),
        st.sampled_from(["[1,]", "{,}", "[", '{"a"}', '{"a":1,}', "[1 2]", "]", "[]]"]),
    )


values = st.recursive(scalars, containers, max_leaves=6)


def fitting(t: SqlType) -> st.SearchStrategy[str]:
    """JSON of values that mostly fit the type as they are."""
    if isinstance(t, Array):
        return st.lists(fitting(t.element), max_size=3).map(lambda xs: "[" + ",".join(xs) + "]")
    if isinstance(t, Map):
        return st.dictionaries(plain_texts, fitting(t.value), max_size=3).map(
            lambda m: "{" + ",".join(f'"{k}":{v}' for k, v in m.items()) + "}"
        )
    if isinstance(t, Struct):
        parts = [st.tuples(st.sampled_from([n, n.lower(), "zz"]), fitting(f)) for n, f in t.fields]
        return st.tuples(*parts).map(lambda ms: "{" + ",".join(f'"{k}":{v}' for k, v in ms) + "}")
    if isinstance(t, Decimal):
        return st.one_of(st.decimals(-9999, 9999, places=2).map(str), st.integers(-9999, 9999).map('"{}"'.format))
    fits: dict[SqlType, st.SearchStrategy[str]] = {
        BOOLEAN: st.sampled_from(["true", "false"]),
        INTEGER: st.integers(-(2**31), 2**31 - 1).map(str),
        DATE: st.integers(-(2**31), 2**31 - 1).map(str),
        BIGINT: st.integers(-(2**63), 2**63 - 1).map(str),
        TIMESTAMP: st.integers(-(2**63), 2**63 - 1).map(str),
        TIME: st.integers(0, 86_399_999).map(str),
        DOUBLE: st.one_of(st.floats(allow_nan=False, allow_infinity=False).map(repr), st.integers().map(str)),
        STRING: st.lists(st.one_of(plain_texts, escapes), max_size=3).map(lambda xs: '"' + "".join(xs) + '"'),
        BYTES: st.binary(max_size=9).map(lambda b: '"' + base64.b64encode(b).decode() + '"'),
    }
    return fits[t]


def spellings(name: str) -> st.SearchStrategy[str]:
    options = [name, name, name.lower(), name.title(), name.swapcase(), json.dumps(name)[1:-1]]
    if name == "SS":
        options.append("ß")
    if name == "ID":
        options += ["\\u0049D", "ıd"]
    return st.sampled_from(options)


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[Column], list[bytes | None]]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=0, max_size=4, unique=True))
    columns = [Column(n, draw(st.sampled_from(SCALARS + SCALARS + NESTED))) for n in names]

    def member(name: str, t: SqlType) -> st.SearchStrategy[str]:
        value = st.one_of(fitting(t), fitting(t), fitting(t), st.just("null"), values)
        return st.builds('{}"{}"{}:{}{}{}'.format, blanks, spellings(name), blanks, blanks, value, blanks)

    members = [member(c.name, c.type) for c in columns]
    others = st.builds('"{}":{}'.format, st.sampled_from(["other", "Z", "ü", "x\\n", "id"]), values)
    one = st.one_of(*members, others) if members else others
    whole = st.tuples(*members).map(list) if members else st.just([])
    objects = st.one_of(whole, whole, st.lists(one, max_size=5)).map(lambda ms: "{" + ",".join(ms) + "}")
    broken = st.builds(lambda s, cut: s[:cut], objects, st.integers(0, 40))
    trailing = st.builds("{}{}".format, objects, st.sampled_from([" ", "\n", "x", "{}", ",", "\x00", "]"]))
    rows = st.one_of(objects, objects, objects, values, broken, trailing).map(str.encode)
    return columns, draw(st.lists(st.one_of(rows, rows, rows, st.none(), st.binary(max_size=8)), max_size=6))


@settings(max_examples=200, deadline=None)
@given(batches())
@example(
    ([Column("ID", BIGINT)], [b'{"id":1,"ID":null}', b'{"ID":null,"id":1}', b'{"id":1,"Id":2}', b'{"ID":1,"ID":2}'])
)
@example(([Column("ID", BIGINT), Column("id", STRING)], [b'{"id":1}', b'{"ID":2}', b'{"Id":3}']))
@example(([Column("ID", DOUBLE)], [b'{"id":0.1234567890123456789,"ID":1}', b'{"id":0.1234567890123456789}']))
@example(([Column("ID", STRING)], ['{"ID":"\u2028\U0001f600"}'.encode(), b'{"ID":"\xed\xa0\x80"}', b'{"ID":"\xff"}']))
@example(([Column("ID", INTEGER)], [b'{"x":' + b"[" * 100 + b"]" * 100 + b"}", b'{"x":' + b"[" * 9999 + b"}"]))
@example(([Column("ID", BIGINT)], [b'{"id":1,"Id":2,"iD":3}', b'{"iD":1,"id":2}', b'{"id":"id"}', b'{"ID":"id"}']))
@example(([Column("SS", BIGINT)], ['{"ss":1,"ß":2}'.encode(), '{"ß":1,"Ss":2}'.encode(), '{"ſs":3,"ü":1}'.encode()]))
@example(([Column('A/"B\\', BIGINT)], [b'{"A/\\"B\\\\":1}', b'{"a\\/\\"b\\\\":1}', b'{"a/\\u0022b\\u005c":1}']))
@example(([], [b"{}", b"", b"null", b"[]", b'{"a":1', None, b'{"a":1e999}']))
def test_all_readers_of_objects_agree(batch: tuple[list[Column], list[bytes | None]]) -> None:
    columns, rows = batch
    check(columns, rows)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SCALARS + NESTED), st.data())
def test_all_readers_of_bare_values_agree(t: SqlType, data: st.DataObject) -> None:
    one = st.builds("{}{}{}".format, blanks, st.one_of(fitting(t), fitting(t), values), blanks).map(str.encode)
    rows = data.draw(st.lists(st.one_of(one, one, st.none(), st.binary(max_size=6)), max_size=8))
    check([Column("V", t)], rows, record=False)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(number_texts, st.floats(allow_nan=False, allow_infinity=False).map(repr)), max_size=20))
def test_doubles_are_the_nearest_ones(numbers: list[str]) -> None:
    check([Column("V", DOUBLE)], [f'{{"V":{n}}}'.encode() for n in numbers])


def test_a_slice_of_an_array_reads_as_its_rows() -> None:
    rows = [f'{{"id":{i},"name":"n{i}"}}'.encode() for i in range(20)] + [None]
    columns = [Column("ID", BIGINT), Column("NAME", STRING)]
    for way in ("struct", "kernel", "exact"):
        decoded = Forced(columns, record=True, way=way).decode(pa.array(rows, pa.binary()).slice(7, 14))
        assert decoded.batch.column(0).to_pylist() == [*range(7, 20), None]
        assert decoded.batch.column(1).to_pylist() == [*(f"n{i}" for i in range(7, 20)), None]


def test_large_batches_take_the_kernel_and_small_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = JsonDecoder([Column("ID", BIGINT)], record=True)
    rows = pa.array([b'{"id":1}'] * json_format.KERNEL_ROWS, pa.binary())
    monkeypatch.setattr(decoder.struct, "read", lambda text: pytest.fail("msgspec read a large batch"))
    assert decoder.decode(rows).batch.column(0).to_pylist() == [1] * len(rows)
    monkeypatch.undo()
    monkeypatch.setattr(decoder.compiled, "read", lambda text: pytest.fail("the kernel read a small batch"))
    assert decoder.decode(rows[:-1]).batch.column(0).to_pylist() == [1] * (len(rows) - 1)


def test_until_the_kernels_are_ready_msgspec_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_loaded", {})
    assert not kernels.ready()
    decoder = JsonDecoder([Column("ID", BIGINT)], record=True)
    rows = pa.array([b'{"id":1}'] * json_format.KERNEL_ROWS, pa.binary())
    assert decoder.decode(rows).batch.column(0).to_pylist() == [1] * len(rows)
    assert decoder.compiled is None


def test_without_a_compiler_everything_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(name: str) -> None:
        raise RuntimeError("no locator")

    monkeypatch.setattr(kernels, "_loaded", {})
    monkeypatch.setattr(kernels.importlib, "import_module", refuse)
    kernels.warm_up()
    assert not kernels.ready()
    assert kernels.kernel("ssql.formats.json_kernel") is None
    assert "running uncompiled, and slower: kernel=ssql.formats.json_kernel reason=no locator" in caplog.messages
