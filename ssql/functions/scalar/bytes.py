"""Numbers from their bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable

from ssql.functions.registry import scalar


def _reader(code: str) -> Callable[..., int | float]:
    def read(value: bytes, order: str = "BIG_ENDIAN") -> int | float:
        sign = {"BIG_ENDIAN": ">", "LITTLE_ENDIAN": "<"}[order.upper()]
        found: int | float = struct.unpack(sign + code, value)[0]
        return found

    return read


for _name, _type, _code, _size, _example in (
    ("BIGINT_FROM_BYTES", "BIGINT", "q", 8, {"BIGINT_FROM_BYTES(TO_BYTES('0000000000000007', 'hex'))": "7"}),
    ("INT_FROM_BYTES", "INT", "i", 4, {"INT_FROM_BYTES(TO_BYTES('07000000', 'hex'), 'LITTLE_ENDIAN')": "7"}),
    ("DOUBLE_FROM_BYTES", "DOUBLE", "d", 8, {"DOUBLE_FROM_BYTES(TO_BYTES('3FF8000000000000', 'hex'))": "1.5"}),
):
    for _order in ("", ", STRING"):
        scalar(
            f"{_name}(BYTES{_order}) -> {_type}",
            python=_reader(_code),
            category="conversion",
            doc=f"The {_type} that {_size} bytes are, in the order BIG_ENDIAN (default) or LITTLE_ENDIAN; NULL"
            " for any other number of them.",
            examples=_example if not _order else {},
        )
