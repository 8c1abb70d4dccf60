"""Formats: nanoseconds a row to decode and encode, every answer checked.

    python benchmarks/bench_formats.py

JSON rows have five fields (about 85 bytes) in lower case, the columns upper-case names, as ksqlDB's users have them.
"""

from __future__ import annotations

import gc
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from ssql import kernels
from ssql.formats import avro, protobuf
from ssql.formats import json as json_format
from ssql.formats.api import Format, FormatSpec
from ssql.formats.registry import format_named
from ssql.formats.windowed import unwrap_keys, wrap_keys
from ssql.log.embedded import EmbeddedLog
from ssql.schemas.embedded import EmbeddedRegistry
from ssql.types import BIGINT, BOOLEAN, DOUBLE, INTEGER, STRING, Array, Column, Decimal, Struct

COLUMNS = [
    Column("ID", BIGINT),
    Column("USERNAME", STRING),
    Column("PRICE", DOUBLE),
    Column("OK", BOOLEAN),
    Column("TS", BIGINT),
]
SIZES = (1, 10, 100, 1_000, 10_000, 100_000)
ALWAYS, NEVER = 0, 10**9


def table(rows: int) -> dict[str, list[object]]:
    rng = random.Random(7)
    return {
        "ID": [rng.randrange(10**6) for _ in range(rows)],
        "USERNAME": [f"user_{rng.randrange(1000)}" for _ in range(rows)],
        "PRICE": [round(rng.random() * 1000, 2) for _ in range(rows)],
        "OK": [rng.random() < 0.5 for _ in range(rows)],
        "TS": [1_700_000_000_000 + rng.randrange(10**9) for _ in range(rows)],
    }


def per_row(rows: int, run: Callable[[], object]) -> float:
    """Best of several runs, in ns a row."""
    run()
    best = float("inf")
    for _ in range(max(5, min(200, 20_000 // rows))):
        start = time.perf_counter_ns()
        run()
        best = min(best, time.perf_counter_ns() - start)
    return best / rows


def line(what: str, figures: list[float]) -> None:
    print(f"{what:<44}" + "".join(f"{figure:>10.0f}" for figure in figures))


def decoding(
    name: str, encode: Callable[[dict[str, list[object]]], list[bytes]], needed: frozenset[str]
) -> list[float]:
    figures = []
    for rows in SIZES:
        values = table(rows)
        data = pa.array(encode(values), pa.binary())
        decoder = format_named(name).decoder(FormatSpec(name), COLUMNS, is_key=False, needed=needed)
        decoded = decoder.decode(data)
        assert decoded.bad == ()
        assert decoded.batch.to_pydict() == {k: v for k, v in values.items() if k in needed}
        figures.append(per_row(rows, lambda decoder=decoder, data=data: decoder.decode(data)))  # type: ignore[misc]
    return figures


def encoding(name: str, check: Callable[[bytes], list[object]], columns: list[Column]) -> list[float]:
    figures = []
    for rows in SIZES:
        values = {k: v for k, v in table(rows).items() if k in {c.name for c in columns}}
        batch = pa.RecordBatch.from_pydict(values, schema=pa.schema([(c.name, c.type.arrow) for c in columns]))
        encoder = format_named(name).encoder(FormatSpec(name), columns, is_key=False)
        written = encoder.encode(batch).data.to_pylist()
        assert [check(raw) for raw in written] == [list(row) for row in zip(*values.values(), strict=True)]
        figures.append(per_row(rows, lambda encoder=encoder, batch=batch: encoder.encode(batch)))  # type: ignore[misc]
    return figures


def json_rows(values: dict[str, list[object]]) -> list[bytes]:
    names = [name.lower() for name in values]
    return [json.dumps(dict(zip(names, row, strict=True))).encode() for row in zip(*values.values(), strict=True)]


def csv_rows(values: dict[str, list[object]]) -> list[bytes]:
    return [",".join(str(v).lower() for v in row).encode() for row in zip(*values.values(), strict=True)]


def from_csv(raw: bytes) -> list[object]:
    number, user, price, ok, ts = raw.decode().split(",")
    return [int(number), user, float(price), ok == "true", int(ts)]


def bare(name: str, column: Column, values: Callable[[int], list[object]]) -> tuple[list[float], list[float]]:
    found: Format = format_named(name)
    decode, encode = [], []
    for rows in SIZES:
        batch = pa.RecordBatch.from_arrays([pa.array(values(rows), column.type.arrow)], names=[column.name])
        encoder = found.encoder(FormatSpec(name), [column], is_key=True)
        decoder = found.decoder(FormatSpec(name), [column], is_key=True)
        data = encoder.encode(batch).data
        assert decoder.decode(data).batch.column(0).equals(batch.column(0))
        encode.append(per_row(rows, lambda encoder=encoder, batch=batch: encoder.encode(batch)))  # type: ignore[misc]
        decode.append(per_row(rows, lambda decoder=decoder, data=data: decoder.decode(data)))  # type: ignore[misc]
    return decode, encode


def nested() -> None:
    columns = [
        Column("ID", BIGINT),
        Column("PRICE", Decimal(10, 2)),
        Column("ITEM", Struct((("NAME", STRING), ("TAGS", Array(STRING))))),
    ]
    decode, encode = [], []
    for rows in SIZES:
        raws = [
            f'{{"id":{i},"price":{i % 1000}.25,"item":{{"name":"n{i}","tags":["a","b{i}"]}}}}'.encode()
            for i in range(rows)
        ]
        data = pa.array(raws, pa.binary())
        decoder = format_named("JSON").decoder(FormatSpec("JSON"), columns, is_key=False)
        decoded = decoder.decode(data)
        assert decoded.bad == ()
        assert decoded.batch.column(2)[rows - 1].as_py() == {"NAME": f"n{rows - 1}", "TAGS": ["a", f"b{rows - 1}"]}
        decode.append(per_row(rows, lambda decoder=decoder, data=data: decoder.decode(data)))  # type: ignore[misc]
        encoder = format_named("JSON").encoder(FormatSpec("JSON"), columns, is_key=False)
        written = encoder.encode(decoded.batch).data
        assert decoder.decode(written).batch.equals(decoded.batch)
        encode.append(per_row(rows, lambda encoder=encoder, b=decoded.batch: encoder.encode(b)))  # type: ignore[misc]
    line("JSON struct, array, decimal: decode", decode)
    line("JSON struct, array, decimal: encode", encode)


def registry_formats() -> None:
    """Formats of a schema registry, each way to read and write them."""
    with tempfile.TemporaryDirectory() as directory:
        log = EmbeddedLog(Path(directory))
        schemas = EmbeddedRegistry(log, "bench_")
        limits = ((avro, "KERNEL_ROWS"), (protobuf, "FAST_ROWS"))
        chosen = [getattr(module, name) for module, name in limits]
        for label, limit in (("whole batches", 1), ("row by row", NEVER), ("as chosen", None)):
            for (module, name), default in zip(limits, chosen, strict=True):
                setattr(module, name, default if limit is None else limit)
            for name in ("AVRO", "PROTOBUF", "JSON_SR"):
                decode, encode = [], []
                for rows in SIZES:
                    batch = pa.RecordBatch.from_pydict(
                        table(rows), schema=pa.schema([(c.name, c.type.arrow) for c in COLUMNS])
                    )
                    form, spec = format_named(name, schemas), FormatSpec(name, subject=f"{name}-value")
                    encoder = form.encoder(spec, COLUMNS, is_key=False)
                    decoder = form.decoder(spec, COLUMNS, is_key=False)
                    data = encoder.encode(batch).data
                    assert decoder.decode(data).batch.equals(batch)
                    decode.append(per_row(rows, lambda d=decoder, x=data: d.decode(x)))  # type: ignore[misc]
                    encode.append(per_row(rows, lambda e=encoder, b=batch: e.encode(b)))  # type: ignore[misc]
                line(f"{name} decode 5 of 5, {label}", decode)
                line(f"{name} encode 5, {label}", encode)
        log.close()


def windowed() -> None:
    wrap, unwrap = [], []
    for rows in SIZES:
        keys = pa.array([f"key{i}".encode() for i in range(rows)], pa.binary())
        starts = pa.array(range(rows), pa.int64())
        data = wrap_keys(keys, starts, None)
        assert unwrap_keys(data, session=False, size_ms=1).keys.equals(keys)
        wrap.append(per_row(rows, lambda k=keys, s=starts: wrap_keys(k, s, None)))  # type: ignore[misc]
        unwrap.append(per_row(rows, lambda d=data: unwrap_keys(d, session=False, size_ms=1)))  # type: ignore[misc]
    line("windowed keys: wrap", wrap)
    line("windowed keys: unwrap", unwrap)


def main() -> None:
    start = time.perf_counter()
    kernels.warm_up()
    print(f"kernels ready after {time.perf_counter() - start:.2f} s; ns a row below")
    gc.disable()
    print(f"{'rows':<44}" + "".join(f"{rows:>10}" for rows in SIZES))
    three = frozenset(["ID", "USERNAME", "PRICE"])
    default = json_format.KERNEL_ROWS
    for label, limit in (("compiled", ALWAYS), ("interpreted", NEVER), ("as chosen", default)):
        json_format.KERNEL_ROWS = limit
        line(f"JSON decode 3 of 5, {label}", decoding("JSON", json_rows, three))
        line(f"JSON decode 5 of 5, {label}", decoding("JSON", json_rows, frozenset(c.name for c in COLUMNS)))
        line(f"JSON encode 5, {label}", encoding("JSON", lambda raw: list(json.loads(raw).values()), COLUMNS))
    nested()
    line("DELIMITED decode 3 of 5", decoding("DELIMITED", csv_rows, three))
    line("DELIMITED encode 5", encoding("DELIMITED", from_csv, COLUMNS))
    for column, values in (
        (Column("K", INTEGER), lambda rows: list(range(rows))),
        (Column("K", STRING), lambda rows: [f"key{i}" for i in range(rows)]),
    ):
        decode, encode = bare("KAFKA", column, values)
        line(f"KAFKA {column.type} decode", decode)
        line(f"KAFKA {column.type} encode", encode)
    windowed()
    registry_formats()


if __name__ == "__main__":
    main()
