"""Exit codes of the command."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the command's exit code says."""

    OK = 0
    FAILED = 1  # a statement was refused or failed, a check did not hold
    USAGE = 2  # wrong arguments or configuration
    UNAVAILABLE = 3  # the server, the log or the directory cannot be used now
    NOTHING = 4  # there was nothing to check: no test was found
    INTERRUPTED = 130  # stopped by Ctrl-C, as shells count it (128 + SIGINT)
