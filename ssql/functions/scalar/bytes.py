"""Numbers from their bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable

from ssql.functions.registry import scalar
from ssql.functions.text import shortened

_ORDERS = {"BIG_ENDIAN": ">", "LITTLE_ENDIAN": "<"}


def _reader(code: str) -> Callable[..., int | float]:
    size = struct.calcsize(f">{code}")

    def read(value: bytes, order: str = "BIG_ENDIAN") -> int | float:
        if order.upper() not in _ORDERS:
            raise ValueError(f"there is no byte order {shortened(order)}")
        if len(value) != size:
            raise ValueError(f"{size} bytes are needed, not {len(value)}")
        found: int | float = struct.unpack(_ORDERS[order.upper()] + code, value)[0]
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
