"""What goes wrong at the command itself: files that it writes, commands of its prompt."""

from __future__ import annotations

from collections.abc import Iterable

from ssql.errors.base import SsqlError, nearest
from ssql.errors.running import ConfigError


class FileUnwritable(SsqlError):
    """A file that was named cannot be written."""

    code = "file_unwritable"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f'could not write "{path}": {reason}')


class NeedsFile(SsqlError):
    """Bytes were asked for on a terminal."""

    code = "needs_file"

    def __init__(self, form: str) -> None:
        super().__init__(
            f"{form} is no text for a terminal",
            hint=f"Write to a file: `ssql -o {form} -e ... > FILE`, or \\o FILE.{form} at the prompt.",
        )


class PageNotFound(ConfigError):
    """`ssql docs` was asked for what no page, section or text is."""

    code = "page_not_found"

    def __init__(self, asked: str, *, candidates: Iterable[str] = ()) -> None:
        close = nearest(asked, candidates)
        hint = f'Did you mean "{close}"? ' if close else ""
        super().__init__(f'no page or section has "{asked}"', hint=f"{hint}`ssql docs` lists the pages.")


class BadCommand(SsqlError):
    """A command of the prompt was given what it does not take."""

    code = "bad_command"

    def __init__(self, command: str, takes: str) -> None:
        super().__init__(f"{command} takes {takes}")
