"""What statements are sent to: an engine in this process, or a server. The rest of the command cannot tell which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ssql.config import DATA_DIR, KAFKA_BOOTSTRAP, Config

if TYPE_CHECKING:
    from ssql.engine.lock import DirectoryLock
    from ssql.engine.opening import Opening
    from ssql.engine.progress import Progress

#: An answer of `execute`: a JSON object with `@type`.
Entity = dict[str, Any]


@dataclass(frozen=True)
class AnswerColumn:
    """A column of an answer: its name, and its SQL type as ksqlDB prints it."""

    name: str
    type: str


class Row(NamedTuple):
    """One row of an answer: values in JSON's types by position, numbers with a point as `decimal.Decimal`.

    `deleted`: the row of a table is gone; its values are null except for the key's.
    """

    values: Sequence[Any]
    deleted: bool = False


class Answer(Protocol):
    """The rows of a query. Iterating gives lists of rows as they come; an empty list is a sign of life only.

    Raises `SsqlError` where the query fails on its way.
    """

    columns: tuple[AnswerColumn, ...]
    #: A push query: rows go on to come until it is closed or has reached its limit.
    live: bool

    def __iter__(self) -> Iterator[list[Row]]: ...

    @property
    def final_message(self) -> str | None:
        """Why a push query ended by itself."""

    def stop(self) -> None:
        """Have the rows end. May be called from any thread."""

    def close(self) -> None:
        """Stop the query. Closing twice is nothing."""


class Lines(Protocol):
    """The lines of a PRINT. Iterating gives lists of lines as they come; an empty list is a sign of life only.

    Raises `SsqlError` where the topic cannot be read any more.
    """

    def __iter__(self) -> Iterator[list[str]]: ...

    def stop(self) -> None:
        """Have the lines end. May be called from any thread."""

    def close(self) -> None:
        """Stop printing. Closing twice is nothing."""


class Backend(Protocol):
    """Carries out statements in one session: what SET and DEFINE say lasts until `close`."""

    #: What is worked with, for the prompt's banner: a directory, or an address.
    place: str

    @property
    def properties(self) -> Mapping[str, object]:
        """What SET says."""

    @property
    def variables(self) -> Mapping[str, str]:
        """What DEFINE says."""

    def execute(self, text: str) -> list[Entity]:
        """Carry out one statement that is no query. Raises `SsqlError`."""

    def query(self, sql: str) -> Answer:
        """Start one SELECT. Raises `SsqlError`."""

    def print_topic(self, sql: str) -> Lines:
        """Start one PRINT. Raises `SsqlError`."""

    def progress(self) -> Progress | None:
        """What is under way; None where nobody knows. It waits for nothing but a server's answer."""

    def close(self) -> None: ...


def open_backend(
    config: Config,
    server: str | None = None,
    variables: Mapping[str, str] | None = None,
    *,
    credentials: tuple[str, str] | None = None,
    in_background: bool = False,
) -> Backend:
    """The backend that arguments and configuration ask for.

    `server` is an address; without one, an engine in this process on Kafka or on the configured directory, unless a
    server works in that directory: then that server. A server is asked with these `credentials`. `in_background`: an
    engine is opened in a thread, and what its opening raises comes from the backend's calls.

    Raises:
        ServerUnavailable: nothing answers at the address.
        DirectoryInUse: another process that is no server works in the directory.
    """
    if server is not None:
        return remote(server, variables=variables, credentials=credentials)
    lock: DirectoryLock | None = None
    if not config[KAFKA_BOOTSTRAP]:
        from ssql.engine.lock import DirectoryLock, take_or_find

        found = take_or_find(Path(config[DATA_DIR]))
        if not isinstance(found, DirectoryLock):
            return remote(found, variables=variables, credentials=credentials)
        lock = found
    if in_background:
        from ssql.engine.opening import Opening
        from ssql_cli.pending import PendingBackend

        opening = Opening()
        place = config[KAFKA_BOOTSTRAP] or config[DATA_DIR]
        return PendingBackend(place, lambda: _local(config, variables, lock, opening), opening)
    return _told(config, variables, lock)


def remote(
    url: str,
    former: Backend | None = None,
    *,
    variables: Mapping[str, str] | None = None,
    credentials: tuple[str, str] | None = None,
) -> Backend:
    """The server at an address; with the session of a `former` backend.

    Raises:
        ServerUnavailable: nothing answers there.
    """
    from ssql_cli.remote import RemoteBackend

    if former is None:
        return RemoteBackend(url, variables, credentials)
    found = RemoteBackend(url, former.variables)
    found.properties.update(former.properties)
    return found


def _told(config: Config, variables: Mapping[str, str] | None, lock: DirectoryLock | None) -> Backend:
    """An engine in this process, whose opening is told while it lasts."""
    from ssql.engine.opening import Opening
    from ssql_cli.status_line import Watch

    opening = Opening()
    with Watch(opening.progress):
        return _local(config, variables, lock, opening)


def _local(
    config: Config, variables: Mapping[str, str] | None, lock: DirectoryLock | None, opening: Opening
) -> Backend:
    """An engine in this process; where it cannot be opened the lock is given back."""
    try:
        from ssql_cli.local import LocalBackend

        return LocalBackend(config, variables, lock=lock, opening=opening)
    except BaseException:
        if lock is not None:
            lock.release()
        raise
