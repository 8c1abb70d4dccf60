"""What fails beneath the statements: queries, formats, schemas, the log, settings, other servers."""

from __future__ import annotations

from collections.abc import Iterable

from ssql.errors.base import SsqlError, nearest


class FormatError(SsqlError):
    """A value cannot be written in, or a whole format set-up cannot be used for, the format that was asked for."""

    code = "format_error"
    status = 400
    ksql_code = 40001


class SchemaUnreadable(FormatError):
    """A registered schema, or what refers to one, that cannot be used."""

    code = "schema_unreadable"


class SchemaRefused(FormatError):
    """A schema that the registry does not take: mostly one that does not follow on from the subject's last."""

    code = "schema_refused"


class RegistryUnavailable(SsqlError):
    """The schema registry could not be reached, or failed; trying again may help."""

    code = "registry_unavailable"


class LogError(SsqlError):
    """The log could not do what was asked: the message says what, and whether trying again may help."""

    code = "log_error"


class LogFull(LogError):
    """There is no room left where the log is; nothing of the transaction was written."""

    code = "disk_full"


class LogUnavailable(LogError):
    """The log cannot be reached; trying again may help."""

    code = "log_unavailable"


class LogRefused(LogError):
    """Kafka does not let us in, or is not what its certificate says."""

    code = "log_refused"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"Kafka refused the connection: {why}", hint="See the settings security.protocol, sasl.* and ssl.*."
        )


class TopicNotFound(LogError):
    """The log has no such topic."""

    code = "topic_not_found"
    status = 400
    ksql_code = 40001

    def __init__(self, name: str, *, candidates: Iterable[str] = ()) -> None:
        close = nearest(name, candidates)
        super().__init__(f'topic "{name}" does not exist', hint=f'Did you mean "{close}"?' if close else None)


class LogInDoubt(LogError):
    """Whether a transaction was committed is not known: start again from what the log holds."""

    code = "log_in_doubt"


class LogFenced(LogError):
    """Another process took over; this one must stop writing."""

    code = "log_fenced"


class ConfigError(SsqlError):
    """A setting, or the file of settings, cannot be used."""

    code = "config_error"
    status = 400
    ksql_code = 40000


class UnknownSetting(ConfigError):
    """No setting has that key."""

    code = "unknown_setting"

    def __init__(self, name: str, *, candidates: Iterable[str] = (), instead: str | None = None) -> None:
        close = nearest(name, candidates)
        hint = instead or (f'Did you mean "{close}"?' if close else None)
        super().__init__(f'unknown setting "{name}"', hint=hint)


class ConnectFailed(SsqlError):
    """Kafka Connect did not do what a statement asked of it.

    `status` is the one that it answered with, if it did.
    """

    code = "connect_failed"

    def __init__(self, reason: str, status: int = 500, *, hint: str | None = None) -> None:
        super().__init__(reason, hint=hint)
        self.status, self.ksql_code = status, status * 100  # type: ignore[misc]

    def while_it(self, was: str) -> None:
        """Say what it was asked for."""
        self.message = f"{was}: {self.message}"
        self.args = (self.message,)


class ConnectNotConfigured(ConnectFailed):
    """A statement is for Kafka Connect, and no such server is named."""

    code = "connect_not_configured"

    def __init__(self) -> None:
        super().__init__(
            "no Kafka Connect server is configured",
            400,
            hint="Start ssql with ksql.connect.url set to its address, such as http://localhost:8083.",
        )


class QueryFailed(SsqlError):
    """A query stopped with an error; the reason is in the user's words."""

    code = "query_failed"

    def __init__(self, query_id: str, reason: str) -> None:
        self.reason = reason
        super().__init__(f'query "{query_id}" failed: {reason}')

    def of(self, query_id: str) -> QueryFailed:
        """The same of a query that has its rows from this one."""
        return QueryFailed(query_id, self.reason)


class BadRecord(SsqlError):
    """A record at which a query is to fail: it cannot be read, or gives no time."""

    code = "bad_record"

    def __init__(self, topic: str, partition: int, offset: int, reason: str, *, timestamp: bool) -> None:
        what = "Fatal user code error in TimestampExtractor callback for" if timestamp else "could not read"
        super().__init__(f'{what} record (topic "{topic}", partition {partition}, offset {offset}): {reason}')


class CommandsUnreadable(SsqlError):
    """The command topic cannot be replayed."""

    code = "commands_unreadable"

    def __init__(self, why: str) -> None:
        super().__init__(f"the command topic cannot be read: {why}")
