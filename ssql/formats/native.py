"""Raw memory for compiled kernels: an address as a typed pointer.

Kernels index pointers rather than numpy arrays: without the array's bookkeeping and its handling of negative indices
the JSON reader is five times as fast. Nothing is checked, so a kernel compares every index with its end itself, and
its caller keeps the arrays alive.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic


def _pointer_to(item: Any) -> Any:
    pointer: Any = types.CPointer(item)  # type: ignore[no-untyped-call]

    @intrinsic
    def cast(_typing: Any, _address: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(pointer))

        return pointer(types.int64), generate

    return cast


bytes_at = _pointer_to(types.uint8)
int32s_at = _pointer_to(types.int32)
int64s_at = _pointer_to(types.int64)
doubles_at = _pointer_to(types.float64)
