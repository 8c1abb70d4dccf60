from __future__ import annotations

import re

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from ssql.formats import scalars
from ssql.formats.scalars import MisfitError
from ssql.types import Decimal

digits = st.text("0129", max_size=40)


@settings(max_examples=500)
@given(st.integers(1, 38).flatmap(lambda p: st.tuples(st.just(p), st.integers(0, p))), digits, digits)
def test_arrow_reads_plain_decimals_as_the_exact_reader_does(size: tuple[int, int], whole: str, fraction: str) -> None:
    precision, scale = size
    text = (whole[:20] or "0") + (f".{fraction[:20]}" if fraction else "")
    if not re.fullmatch(scalars.plain_decimal(precision, scale), text):
        return
    t = Decimal(precision, scale)
    try:
        cast = pa.array([text]).cast(t.arrow)[0].as_py()
    except pa.ArrowInvalid:
        cast = None
    try:
        assert cast == scalars.decimal(text, precision, scale, t)
    except MisfitError:
        assert cast is None
