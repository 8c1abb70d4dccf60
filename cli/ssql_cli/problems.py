"""Errors of the command itself, and which exit code an error leads to."""

from __future__ import annotations

from ssql.errors import ConfigError, LogUnavailable, SsqlError
from ssql_cli.exits import Exit


class ServerUnavailable(SsqlError):
    """The server does not answer, or what answers is no ssql server."""

    code = "server_unavailable"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"could not reach the server at {url}: {reason}",
            hint="Start one with `ssql server`, or leave out --server to work in a directory.",
        )


class DirectoryInUse(SsqlError):
    """Another process works in the directory, and it is no server that could be asked instead."""

    code = "directory_in_use"

    def __init__(self, directory: str, holder: str) -> None:
        super().__init__(
            f'directory "{directory}" is in use by {holder}',
            hint="Stop it, ask it with --server, or give another directory with --data.",
        )


class FileUnreadable(SsqlError):
    """A file that was named cannot be read."""

    code = "file_unreadable"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f'could not read "{path}": {reason}')


class RemoteError(SsqlError):
    """An error that a server answered with; `code`, position and hint are the server's."""

    code = "remote_error"

    def __init__(self, message: str, code: str, hint: str | None) -> None:
        super().__init__(message, hint=hint)
        self.remote_code = code

    def render(self) -> str:
        """As the server would have printed it."""
        return super().render().replace(f"[{self.code}]", f"[{self.remote_code}]", 1)


def exit_code(error: SsqlError) -> Exit:
    """The exit code that an error leads to when it ends the command."""
    if isinstance(error, (ServerUnavailable, DirectoryInUse, LogUnavailable)):
        return Exit.UNAVAILABLE
    if isinstance(error, (ConfigError, FileUnreadable)):
        return Exit.USAGE
    return Exit.FAILED
