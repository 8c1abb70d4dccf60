"""What somebody may do."""

from __future__ import annotations

from enum import IntEnum


class Right(IntEnum):
    """What somebody may do, each with all that stands before it."""

    #: look at everything, and run queries of one's own
    READ = 1
    #: insert rows
    WRITE = 2
    #: define, change and drop; settings of all
    ADMIN = 3
