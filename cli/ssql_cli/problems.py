"""Which exit code an error leads to."""

from __future__ import annotations

from ssql.errors import (
    ConfigError,
    DirectoryInUse,
    FileUnreadable,
    FileUnwritable,
    LogUnavailable,
    NeedsFile,
    ServerUnavailable,
    SsqlError,
)
from ssql_cli.exits import Exit


def exit_code(error: SsqlError) -> Exit:
    """The exit code that an error leads to when it ends the command."""
    if isinstance(error, (ServerUnavailable, DirectoryInUse, LogUnavailable)):
        return Exit.UNAVAILABLE
    if isinstance(error, (ConfigError, FileUnreadable, FileUnwritable, NeedsFile)):
        return Exit.USAGE
    return Exit.FAILED
