"""Pictures of the prompt and the live view for the docs, from a real run in a pseudo terminal.

`python -m tests.support.recording docs` writes `docs/prompt.svg` and `docs/live-view.svg`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from itertools import groupby
from pathlib import Path

import pyte

from tests.cli.terminal import Terminal

SSQL = str(Path(sys.executable).with_name("ssql"))
ADDRESS = "127.0.0.1:8188"

#: Cells of a terminal in pixels.
_WIDTH, _HEIGHT, _MARGIN = 8.4, 18, 12
_COLOURS = {
    "default": "#d8dee9", "black": "#2e3440", "red": "#bf616a", "green": "#a3be8c", "brown": "#ebcb8b",
    "blue": "#81a1c1", "magenta": "#b48ead", "cyan": "#88c0d0", "white": "#e5e9f0",
}  # fmt: skip
_GROUND = "#2e3440"

Cell = pyte.screens.Char


def svg(rows: list[list[Cell]]) -> str:
    """The cells of a screen as a picture."""
    width, height = _MARGIN * 2 + len(rows[0]) * _WIDTH, _MARGIN * 2 + len(rows) * _HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" font-family="monospace"'
        f' font-size="14" xml:space="preserve"><rect width="100%" height="100%" rx="6" fill="{_GROUND}"/>'
    ]
    for y, row in enumerate(rows):
        x = 0
        for (front, ground, bold), cells in groupby(row, _look):
            text = "".join(cell.data for cell in cells)
            left, top = _MARGIN + x * _WIDTH, _MARGIN + y * _HEIGHT
            length = f'textLength="{len(text) * _WIDTH:.1f}"'
            if ground != _GROUND:
                parts.append(
                    f'<rect x="{left:.1f}" y="{top}" width="{len(text) * _WIDTH:.1f}" height="{_HEIGHT}"'
                    f' fill="{ground}"/>'
                )
            if text.strip():
                weight = ' font-weight="bold"' if bold else ""
                parts.append(
                    f'<text x="{left:.1f}" y="{top + 13}" fill="{front}"{weight} {length}>{escape(text)}</text>'
                )
            x += len(text)
    return "\n".join([*parts, "</svg>", ""])


def _look(cell: Cell) -> tuple[str, str, bool]:
    front, ground = _colour(cell.fg, _COLOURS["default"]), _colour(cell.bg, _GROUND)
    return (ground, front, cell.bold) if cell.reverse else (front, ground, cell.bold)


def _colour(name: str, default: str) -> str:
    if name == "default":
        return default
    return _COLOURS.get(name, f"#{name}" if len(name) == 6 else default)


def pictures() -> Iterator[tuple[str, str]]:
    """The pictures by their file names."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "SSQL_HISTORY": "", "PAGER": ""}
        with Terminal([SSQL, "server", "--data", f"{folder}/data", "--listen", ADDRESS], environment) as server:
            server.wait_for(ADDRESS)
            _until_done("SHOW STREAMS;")  # it is still on its way up
            feed = subprocess.Popen(
                [SSQL, "datagen", "orders", "--rate", "200", "--server", f"http://{ADDRESS}"], stderr=subprocess.DEVNULL
            )
            try:
                _until_done("DESCRIBE orders;")
                with Terminal([SSQL, "--server", f"http://{ADDRESS}"], environment) as terminal:
                    yield from _session(terminal)
            finally:
                feed.terminate()
                feed.wait()


def _until_done(statement: str) -> None:
    """Ask the server until it carries a statement out."""
    asked = [SSQL, "--server", f"http://{ADDRESS}", "-e", statement]
    while subprocess.run(asked, capture_output=True, check=False).returncode:
        pass


def _session(terminal: Terminal) -> Iterator[tuple[str, str]]:
    def enter(line: str, then: str) -> None:
        terminal.send(line + "\r")
        terminal.wait_until(lambda lines: any(then in text for text in lines) and lines_end(lines))

    def lines_end(lines: list[str]) -> bool:
        return [text for text in lines if text][-1:] == ["ssql>"]

    terminal.wait_until(lines_end)
    terminal.send("\\ds\r")
    terminal.wait_until(lambda lines: any("ORDERS" in text for text in lines) and lines_end(lines))
    enter(
        "CREATE TABLE sales AS SELECT city, COUNT(*) AS orders, SUM(price) AS total\r"
        "FROM orders GROUP BY city EMIT CHANGES;",
        "CTAS_SALES",
    )
    enter("SELECT citty FROM sales;", "HINT")
    enter("\\d sales", "written by")
    enter("\\chart total", "live views draw")
    yield "prompt.svg", svg(terminal.cells(32))
    terminal.send("SELECT * FROM sales EMIT CHANGES;\r")
    terminal.wait_until(
        lambda lines: "10 rows" in lines[-1] and any(terminal.background(n) == "brown" for n in range(9))
    )
    whole = terminal.cells()
    yield "live-view.svg", svg([*whole[:13], whole[-1]])
    terminal.send("q")
    terminal.wait_until(lines_end)


if __name__ == "__main__":
    for name, picture in pictures():
        (Path(sys.argv[1]) / name).write_text(picture, encoding="utf-8")
