"""NONE: no columns, no bytes. What records of such a topic hold is ignored, and null is written."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ssql.formats import rules
from ssql.formats.api import Decoded, Decoder, Encoded, Encoder, FormatSpec
from ssql.formats.columns import batch_of
from ssql.formats.losses import NOTHING
from ssql.types import Column


class NoColumns:
    """Decodes to no columns and encodes to nulls: the key of a keyless stream, in any format."""

    losses = NOTHING

    def decode(self, data: pa.BinaryArray) -> Decoded:
        return Decoded(batch_of((), (), len(data)))

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        return Encoded(pa.nulls(batch.num_rows, pa.binary()))


class NoneFormat:
    """The NONE format: for keys of keyless streams."""

    name = "NONE"
    wraps: tuple[bool, ...] = ()

    def check(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> None:
        rules.refuse_properties(spec, ())
        if columns:
            schema = ", ".join(map(str, columns))
            reason = f"The 'NONE' format can only be used when no columns are defined. Got: [{schema}]"
            raise rules.unsupported(spec, columns, reason, is_key=is_key)
        rules.check_wrapping(spec, columns, is_key=is_key, supported=self.wraps)

    def decoder(
        self,
        spec: FormatSpec,
        columns: Sequence[Column],
        *,
        is_key: bool,
        needed: frozenset[str] | None = None,  # noqa: ARG002 (there is nothing to choose from)
    ) -> Decoder:
        self.check(spec, columns, is_key=is_key)
        return NoColumns()

    def encoder(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> Encoder:
        self.check(spec, columns, is_key=is_key)
        return NoColumns()
