"""Single values of text formats, exactly: text -> Python value and back.

The slow and exact counterpart of the vectorised paths: what these functions accept, and what they make of it, is the
rule that the fast paths are held to. Each raises `MisfitError` with a reason in the user's words.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from decimal import Context, Decimal, Inexact, InvalidOperation

from ssql.types import MAX_PRECISION

INT32 = (-(1 << 31), (1 << 31) - 1)
INT64 = (-(1 << 63), (1 << 63) - 1)
DAY_MS = 86_400_000

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_DOUBLE = re.compile(
    r"[ \t\r\n]*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[fFdD]?[ \t\r\n]*"
    r"|[ \t\r\n]*([+-]?(?:NaN|Infinity))[ \t\r\n]*",
    re.ASCII,
)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
EXACT = Context(prec=60, traps=[Inexact, InvalidOperation])
_LONGEST_SHOWN = 60  # characters of a value quoted in a reason


class MisfitError(ValueError):
    """A value that a type cannot hold. `path` leads from the column to the value inside it."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path

    def under(self, step: str) -> MisfitError:
        """The same misfit, seen from one level further out."""
        return MisfitError(self.reason, step + self.path)


def shown(text: str) -> str:
    """`text` short enough to be quoted in a reason."""
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


def misread(text: str, type_name: object) -> MisfitError:
    return MisfitError(f"cannot read {shown(text)} as {type_name}")


def out_of_range(text: str, type_name: object) -> MisfitError:
    return MisfitError(f"{shown(text)} is out of range for {type_name}")


def integer(text: str, bounds: tuple[int, int], type_name: object) -> int:
    """Decimal digits with an optional sign, within `bounds`."""
    if not _INTEGER.fullmatch(text):
        raise misread(f'"{text}"', type_name)
    digits = text.lstrip("+-").lstrip("0")
    if len(digits) > 19:  # a BIGINT has at most 19 digits
        raise out_of_range(text, type_name)
    value = int(digits or "0") * (-1 if text[0] == "-" else 1)
    if not bounds[0] <= value <= bounds[1]:
        raise out_of_range(text, type_name)
    return value


def integral(text: str, bounds: tuple[int, int], type_name: object) -> int:
    """A number literal within `bounds`; a fraction is cut off, as ksqlDB does it (`-1.7` is -1)."""
    if _INTEGER.fullmatch(text):
        return integer(text, bounds, type_name)
    value = exact(text, type_name)
    # Look at the size first: an exponent may stand for more digits than fit in memory.
    if not value or value.adjusted() < 0:
        return 0
    if value.adjusted() > 19 or not bounds[0] <= int(value) <= bounds[1]:
        raise out_of_range(text, type_name)
    return int(value)


def double(text: str, type_name: object) -> float:
    """A number, `NaN` or `Infinity`, as Java reads it; blanks around it do not matter."""
    found = _DOUBLE.fullmatch(text)
    if not found:
        raise misread(f'"{text}"', type_name)
    if found[2]:
        return float(found[2].replace("Infinity", "inf"))
    return number(found[1], type_name)


def number(text: str, type_name: object) -> float:
    """The double nearest to a number literal; too large is a misfit, too small is 0."""
    value = float(text)
    if math.isinf(value):
        raise out_of_range(text, type_name)
    return value


def exact(text: str, type_name: object) -> Decimal:
    """A number literal as a decimal, with all its digits."""
    if not _DECIMAL.fullmatch(text):
        raise misread(f'"{text}"', type_name)
    try:
        return Decimal(text)
    except InvalidOperation:
        raise out_of_range(text, type_name) from None


def decimal(text: str, precision: int, scale: int, type_name: object) -> Decimal:
    """A decimal with exactly `scale` digits after the point; what would need rounding is a misfit."""
    value = exact(text, type_name)
    if value and value.adjusted() >= min(precision, MAX_PRECISION) - scale:
        raise out_of_range(text, type_name)
    try:
        return value.quantize(Decimal(1).scaleb(-scale), context=EXACT)
    except (Inexact, InvalidOperation):
        raise MisfitError(f"{shown(text)} does not fit {type_name} without rounding") from None


def plain_decimal(precision: int, scale: int) -> str:
    """A pattern of unsigned numbers that Arrow casts to the decimal type exactly as `decimal` does, or refuses.

    Arrow wraps around where digits overflow (beyond 38 of them, also after scaling up), so the pattern leaves out what
    has more digits before the point than the type; with at most 19 after it, none of the rest gets that far.
    """
    whole = min(min(precision, MAX_PRECISION) - scale, 19)
    return rf"(?:0|[0-9]{{1,{whole}}})(?:\.[0-9]{{1,19}})?" if whole else r"0(?:\.[0-9]{1,19})?"


def base64_bytes(text: str, type_name: object) -> bytes:
    """Bytes from base64 text, padding included."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise misread(f'"{text}"', type_name) from None


def time_of_day(ms: int, type_name: object) -> int:
    """Microseconds of the day from milliseconds of the day."""
    if not 0 <= ms < DAY_MS:
        raise out_of_range(str(ms), type_name)
    return ms * 1000


def double_text(value: float) -> str:
    """A double as Java prints it: `1.0`, `1.0E10`, `NaN`; plain from 0.001 up to ten million, else with an exponent."""
    if not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[repr(value)]
    size = abs(value)
    if size == 0 or 1e-3 <= size < 1e7:
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    power = len(text) - 1 + exponent
    return f"{'-' if sign else ''}{text[0]}.{text[1:].rstrip('0') or '0'}E{power}"
