"""AVRO: a record a row, or the bare value of a single column, by schemas of the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from ssql import kernels
from ssql.errors import FormatError
from ssql.formats import framing, registered, rules
from ssql.formats.api import BadRow, FormatSpec
from ssql.formats.avro_fast import KernelReader, NotFastError
from ssql.formats.avro_values import ExactReader
from ssql.formats.avro_writer_fast import KernelWriter
from ssql.formats.avro_writers import ExactWriter
from ssql.formats.columns import read_rows, settled, written_rows
from ssql.formats.losses import NOTHING, Loss
from ssql.schemas import avro
from ssql.schemas.api import Definition, SchemaType
from ssql.types import STRING, Column, Map, Struct

#: From this many rows on the compiled kernel is faster than the exact reader (see benchmarks/bench_formats.py).
KERNEL_ROWS = 16


class AvroFormat(registered.RegisteredFormat[avro.Avro]):
    """The AVRO format."""

    name = "AVRO"
    wraps: tuple[bool, ...] = (True, False)
    schema_type: SchemaType = "AVRO"

    def check(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> None:
        rules.refuse_properties(spec, (registered.FULL_NAME, registered.SCHEMA_ID))
        registered.check_properties(spec)
        rules.check_wrapping(spec, columns, is_key=is_key, supported=self.wraps)
        rules.refuse_map_keys(columns, is_key=is_key)
        for column in columns:
            for t in rules.inner_types(column.type):
                if isinstance(t, Map) and t.key != STRING:
                    raise FormatError("Avro only supports MAPs with STRING keys")
                for name, _ in t.fields if isinstance(t, Struct) else ():
                    avro.check_name(name)
        if rules.is_record(spec, columns, is_key=is_key):
            for column in columns:
                avro.check_name(column.name)

    def definition(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> Definition:
        name = spec.properties.get(registered.FULL_NAME, avro.RECORD)
        record = rules.is_record(spec, columns, is_key=is_key)
        return Definition("AVRO", avro.text(columns, record=record, full_name=name))

    def columns(self, spec: FormatSpec, definition: Definition, *, is_key: bool) -> tuple[Column, ...]:
        found = avro.sql_type(self.parsed(definition))
        return rules.inferred(found, is_key=is_key, bare=is_key or spec.wrap is False)

    def parse(self, text: str, references: Mapping[str, str]) -> avro.Avro:
        return avro.parse(text, references)

    def reader(self, schema: avro.Avro, columns: Sequence[Column], *, record: bool) -> AvroReader:
        return AvroReader(schema, columns, record=record)

    def writer(
        self,
        number: int,
        schema: avro.Avro,
        spec: FormatSpec,  # noqa: ARG002
        columns: Sequence[Column],
        *,
        record: bool,
    ) -> AvroWriter:
        return AvroWriter(number, schema, columns, record=record)

    def losses(self, definition: Definition, derived: Definition) -> frozenset[Loss]:
        # A schema that is not the one made for the columns may have a default in the place of null.
        return NOTHING if definition == derived else frozenset({Loss.NULL})


class AvroReader:
    """Reads rows of one writer's schema: large batches by the compiled kernel, where it can."""

    def __init__(self, schema: avro.Avro, columns: Sequence[Column], *, record: bool) -> None:
        self.schema = schema
        self.columns = tuple(columns)
        self.record = record
        self.exact = ExactReader(schema, columns, record=record)
        self.compiled: KernelReader | None = None
        self.slow = False  # the kernel has no program for it

    def read(self, payload: pa.BinaryArray) -> tuple[list[pa.Array], list[BadRow]]:
        if len(payload) >= KERNEL_ROWS and not self.slow:
            try:
                reader = self._compiled()
                if reader is not None:
                    arrays, doubtful = reader.read(payload)
                    return (
                        settled(payload, self.columns, arrays, doubtful, self.exact.read) if doubtful else (arrays, [])
                    )
            except NotFastError:
                pass
        return read_rows(payload, self.columns, self.exact.read)

    def _compiled(self) -> KernelReader | None:
        kernel = kernels.kernel("ssql.formats.avro_kernel") if self.compiled is None else None
        if kernel is not None:
            self.slow = True
            self.compiled = KernelReader(self.schema, self.columns, record=self.record, kernel=kernel)
            self.slow = False
        return self.compiled


class AvroWriter:
    """Writes rows by one schema: large batches by the compiled kernel, where it can."""

    def __init__(self, number: int, schema: avro.Avro, columns: Sequence[Column], *, record: bool) -> None:
        self.frame = framing.frame(number)
        self.schema = schema
        self.columns = tuple(columns)
        self.record = record
        self.exact = ExactWriter(schema, columns, record=record)
        self.compiled: KernelWriter | None = None
        self.slow = False  # the kernel has no program for it

    def write(self, batch: pa.RecordBatch) -> tuple[pa.BinaryArray, list[BadRow]]:
        if batch.num_rows >= KERNEL_ROWS and not self.slow:
            try:
                writer = self._compiled()
                if writer is not None:
                    data, doubtful = writer.write(batch)
                    return self._settled(data, batch, doubtful) if doubtful else (data, [])
            except NotFastError:
                pass
        return self._exactly(batch)

    def _compiled(self) -> KernelWriter | None:
        kernel = kernels.kernel("ssql.formats.avro_writer_kernel") if self.compiled is None else None
        if kernel is not None:
            self.slow = True
            self.compiled = KernelWriter(self.schema, self.columns, record=self.record, head=self.frame, kernel=kernel)
            self.slow = False
        return self.compiled

    def _settled(
        self, data: pa.BinaryArray, batch: pa.RecordBatch, doubtful: list[int]
    ) -> tuple[pa.BinaryArray, list[BadRow]]:
        exact, bad = self._exactly(batch.take(pa.array(doubtful)))
        places = np.arange(len(data))
        places[doubtful] = len(data) + np.arange(len(doubtful))
        whole = pa.concat_arrays([data, exact]).take(pa.array(places))
        return whole, [BadRow(doubtful[row.index], row.reason) for row in bad]

    def _exactly(self, batch: pa.RecordBatch) -> tuple[pa.BinaryArray, list[BadRow]]:
        return written_rows(batch, self.columns, self.exact.write, self.frame)
