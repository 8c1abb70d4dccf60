"""Rows of CSV as columns of text, out of the bytes of a body as these come.

The first line names the columns. A field may have line ends within double quotes; nothing is NULL, `""` an empty text.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from ssql.errors import BadRequest, BodyTooLarge, SsqlError

_BOM = b"\xef\xbb\xbf"


class CsvRows:
    """One body. `longest`: bytes of a line that are taken."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._rest = b""
        self._names: list[str] | None = None

    def feed(self, data: bytes) -> Iterator[tuple[pa.RecordBatch, Mapping[int, SsqlError]]]:
        """The rows that are whole with these bytes, and those that are none, by their place among all of them. Nothing
        is fed at the end: then the last line is whole.

        Raises:
            BodyTooLarge: a line does not end.
            BadRequest: it is not CSV.
        """
        text = self._rest + data
        end = _end_of_lines(text) if data else len(text)
        whole, self._rest = text[:end], text[end:]
        if len(self._rest) > self._longest:
            raise BodyTooLarge(self._longest)
        if self._names is None and whole.strip():
            head = whole.removeprefix(_BOM).lstrip(b"\r\n")
            first = _end_of_line(head)
            self._names, whole = _names(head[:first]), head[first:]
        if self._names is not None and whole.strip():
            yield self._read(whole, self._names)

    def _read(self, text: bytes, names: list[str]) -> tuple[pa.RecordBatch, Mapping[int, SsqlError]]:
        bad: dict[int, SsqlError] = {}

        def note(row: Any) -> str:
            told = f"the row has {row.actual_columns} fields, the first line {row.expected_columns}"
            bad[row.number - 1] = BadRequest(told)
            return "skip"

        columns = [f"c{n}" for n in range(len(names))]
        try:
            table = pa_csv.read_csv(
                pa.py_buffer(text),
                read_options=pa_csv.ReadOptions(column_names=columns, use_threads=False, block_size=len(text) + 1),
                parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
                convert_options=pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(columns, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        except pa.ArrowException as wrong:
            raise BadRequest(f"the body is not CSV: {str(wrong).splitlines()[0]}") from None
        whole = table.combine_chunks().to_batches()
        rows = whole[0] if whole else pa.RecordBatch.from_arrays([pa.array([], pa.string())] * len(names), columns)
        if bad:
            # Rows that are none stand as NULLs, so that each has its place.
            places = np.setdiff1d(np.arange(rows.num_rows + len(bad)), list(bad))
            taken = np.full(rows.num_rows + len(bad), -1)
            taken[places] = np.arange(rows.num_rows)
            rows = rows.take(pa.array(taken, mask=taken < 0))
        return pa.RecordBatch.from_arrays(rows.columns, names), bad


def _names(line: bytes) -> list[str]:
    try:
        names = next(csv.reader([line.decode()], strict=True))
    except (UnicodeDecodeError, csv.Error, StopIteration):
        names = []
    if not all(names) or not names:
        raise BadRequest("the first line of the CSV does not name the columns")
    return names


def _end_of_lines(text: bytes) -> int:
    """Where the last line that is whole ends: behind a line end that is not within quotes."""
    end = text.rfind(b"\n") + 1
    while end and text.count(b'"', 0, end) % 2:
        end = text.rfind(b"\n", 0, end - 1) + 1
    return end


def _end_of_line(text: bytes) -> int:
    end = text.find(b"\n") + 1
    while end and text.count(b'"', 0, end) % 2:
        end = text.find(b"\n", end) + 1
    return end or len(text)
