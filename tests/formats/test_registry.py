from __future__ import annotations

from decimal import Decimal as PyDecimal

import pyarrow as pa
import pytest

from ssql.errors import FormatError
from ssql.formats.api import FormatSpec
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
    Array,
    Column,
    Decimal,
    Map,
    SqlType,
    Struct,
)

ONE = [Column("A", INTEGER)]
TWO = [Column("A", INTEGER), Column("B", STRING)]
KEY = [Column("K", INTEGER, key=True)]
KEYS = [Column("K", INTEGER, key=True), Column("L", STRING, key=True)]
SCALARS: list[SqlType] = [BOOLEAN, INTEGER, BIGINT, DOUBLE, Decimal(4, 2), STRING, BYTES, DATE, TIME, TIMESTAMP]
NESTED: list[SqlType] = [Array(INTEGER), Map(STRING, INTEGER), Struct((("F", INTEGER),))]


@pytest.mark.parametrize("name", ["JSON", "json", "Kafka", "DELIMITED", "none"])
def test_formats_are_found_in_any_case(name: str) -> None:
    assert format_named(name).name == name.upper()


@pytest.mark.parametrize("name", ["AVRO", "protobuf", "PROTOBUF_NOSR", "JSON_SR"])
def test_formats_of_a_registry_check_columns_without_one(name: str) -> None:
    found = format_named(name)
    assert found.name == name.upper()
    found.check(FormatSpec(name), TWO, is_key=False)


@pytest.mark.parametrize("name", ["AVRO", "PROTOBUF", "JSON_SR"])
def test_formats_of_a_registry_say_that_they_need_one(name: str) -> None:
    for make in (format_named(name).decoder, format_named(name).encoder):
        with pytest.raises(FormatError, match=f"{name} needs a schema registry, and there is none"):
            make(FormatSpec(name, subject="t-value"), TWO, is_key=False)


def test_unknown_formats_name_the_nearest() -> None:
    with pytest.raises(FormatError) as caught:
        format_named("JSN")
    assert caught.value.message == "Unknown format: JSN"
    assert caught.value.hint == "Did you mean JSON?"
    with pytest.raises(FormatError) as caught:
        format_named("qqq")
    assert caught.value.hint == "Use one of: JSON, KAFKA, DELIMITED, NONE, AVRO, PROTOBUF, PROTOBUF_NOSR, JSON_SR."


def check(
    name: str, columns: list[Column], *, is_key: bool = False, wrap: bool | None = None, **properties: str
) -> None:
    spec = FormatSpec(name, properties, wrap)
    found = format_named(name)
    found.check(spec, columns, is_key=is_key)
    found.decoder(spec, columns, is_key=is_key)
    found.encoder(spec, columns, is_key=is_key)


@pytest.mark.parametrize("is_key", [True, False])
@pytest.mark.parametrize("t", SCALARS + NESTED, ids=str)
def test_types_that_formats_hold(t: SqlType, is_key: bool) -> None:
    column = [Column("A", t, key=is_key)]
    if is_key and isinstance(t, Map):
        with pytest.raises(FormatError, match="Map keys, including types that contain maps, are not supported"):
            check("JSON", column, is_key=is_key)
        return
    check("JSON", column, is_key=is_key)
    for name, held in (("DELIMITED", t not in NESTED), ("KAFKA", t in (INTEGER, BIGINT, DOUBLE, STRING, BYTES))):
        if held:
            check(name, column, is_key=is_key)
        else:
            type_name = str(t).partition("<")[0].partition("(")[0]
            with pytest.raises(FormatError) as caught:
                check(name, column, is_key=is_key)
            side = "Key" if is_key else "Value"
            assert caught.value.message.startswith(f"{side} format does not support schema.\nformat: {name}\nschema: ")
            assert f"The '{name}' format does not support type '{type_name}'" in caught.value.message


def test_a_refused_key_shows_its_schema_as_ksqldb_does() -> None:
    with pytest.raises(FormatError) as caught:
        check("DELIMITED", [Column("K", Array(DOUBLE), key=True)], is_key=True)
    assert caught.value.message == (
        "Key format does not support schema.\nformat: DELIMITED\n"
        "schema: Persistence{columns=[`K` ARRAY<DOUBLE> KEY], features=[]}\n"
        "reason: The 'DELIMITED' format does not support type 'ARRAY', column: `K`"
    )


def test_several_columns() -> None:
    for name in ("JSON", "DELIMITED"):
        check(name, KEYS, is_key=True)
        check(name, TWO)
    with pytest.raises(FormatError, match=r"only supports a single field. Got: \[`A` INTEGER, `B` STRING\]"):
        check("KAFKA", TWO)
    with pytest.raises(FormatError, match=r"only supports a single field. Got: \[`K` INTEGER KEY, `L` STRING KEY\]"):
        check("KAFKA", KEYS, is_key=True)


def test_none_holds_no_columns() -> None:
    check("NONE", [], is_key=True)
    with pytest.raises(FormatError, match=r"can only be used when no columns are defined. Got: \[`K` INTEGER KEY\]"):
        check("NONE", KEY, is_key=True)


def test_wrapping() -> None:
    for wrap in (True, False, None):
        check("JSON", ONE, wrap=wrap)
        check("JSON", KEYS, is_key=True, wrap=wrap)  # is about values only
    for name in ("KAFKA", "DELIMITED"):
        check(name, ONE, wrap=False)
        with pytest.raises(FormatError) as caught:
            check(name, ONE, wrap=True)
        assert caught.value.message == f"Format '{name}' does not support 'WRAP_SINGLE_VALUE' set to 'true'."
    for wrap in (True, False):
        with pytest.raises(FormatError, match="'WRAP_SINGLE_VALUE' is only valid for single-field value schemas"):
            check("JSON", TWO, wrap=wrap)


def test_map_keys_are_text_in_json() -> None:
    for t in (Map(INTEGER, STRING), Array(Map(BIGINT, STRING))):
        with pytest.raises(FormatError, match="JSON only supports MAP types with STRING keys"):
            check("JSON", [Column("M", t)])


def test_properties() -> None:
    for name in ("JSON", "KAFKA"):
        with pytest.raises(FormatError) as caught:
            check(name, ONE, delimiter="|")
        assert caught.value.message == f"{name} does not support the following configs: [delimiter]"
    for delimiter in ("|", "SPACE", "tab", ";"):
        check("DELIMITED", TWO, delimiter=delimiter)
    with pytest.raises(FormatError, match="Invalid delimiter value: '<~>'"):
        check("DELIMITED", TWO, delimiter="<~>")
    for blank in ("", " ", "\t"):
        with pytest.raises(FormatError, match="Delimiter cannot be empty, if you meant to have a tab or space"):
            check("DELIMITED", TWO, delimiter=blank)
    with pytest.raises(FormatError) as caught:
        check("DELIMITED", TWO, delimiters="|")
    assert caught.value.hint == "Did you mean delimiter?"


@pytest.mark.parametrize("name", ["JSON", "KAFKA", "DELIMITED", "NONE"])
def test_the_key_of_a_keyless_stream_is_ignored_and_written_as_null(name: str) -> None:
    spec = FormatSpec(name)
    decoded = (
        format_named(name).decoder(spec, [], is_key=True).decode(pa.array([b"anything", None, b"\xff"], pa.binary()))
    )
    assert (decoded.batch.num_rows, decoded.batch.num_columns, decoded.bad) == (3, 0, ())
    assert format_named(name).encoder(spec, [], is_key=True).encode(decoded.batch).data.to_pylist() == [None] * 3


@pytest.mark.parametrize(
    ("name", "one", "two"),
    [("JSON", b"7", b'{"K":7,"L":"x"}'), ("KAFKA", b"\x00\x00\x00\x07", None), ("DELIMITED", b"7", b"7,x")],
)
def test_one_key_column_is_bare_and_several_are_a_record(name: str, one: bytes, two: bytes | None) -> None:
    for columns, raw in ((KEY, one), (KEYS, two)):
        if raw is None:
            continue
        spec = FormatSpec(name)
        data = pa.array([raw, None], pa.binary())
        decoded = format_named(name).decoder(spec, columns, is_key=True).decode(data)
        assert decoded.bad == ()
        assert decoded.batch.to_pylist() == [
            {"K": 7, "L": "x"} if columns is KEYS else {"K": 7},
            dict.fromkeys(c.name for c in columns),
        ]
        encoded = format_named(name).encoder(spec, columns, is_key=True).encode(decoded.batch)
        assert encoded.data.to_pylist()[0] == raw


def test_only_needed_columns_are_decoded_in_declared_order() -> None:
    columns = [Column("A", INTEGER), Column("B", STRING), Column("C", Decimal(3, 1))]
    for name, raw in (("JSON", b'{"c":1.5,"a":1,"b":"x"}'), ("DELIMITED", b"1,x,1.5")):
        decoder = format_named(name).decoder(FormatSpec(name), columns, is_key=False, needed=frozenset(["C", "A"]))
        decoded = decoder.decode(pa.array([raw], pa.binary()))
        assert decoded.batch.schema.names == ["A", "C"]
        assert decoded.batch.to_pylist() == [{"A": 1, "C": PyDecimal("1.5")}]
        nothing = format_named(name).decoder(FormatSpec(name), columns, is_key=False, needed=frozenset())
        bad = nothing.decode(pa.array([raw, b'{"', b'"1,2'], pa.binary()))
        assert bad.batch.num_rows == 3
        assert [row.index for row in bad.bad] == [1, 2]
