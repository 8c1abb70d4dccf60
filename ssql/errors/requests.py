"""Requests over HTTP: what they ask for, and who asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ssql.errors.base import Span, SqlError, SsqlError


class BadRequest(SsqlError):
    """The request itself cannot be read: its JSON, its fields, or what it names."""

    code = "bad_request"
    status = 400
    ksql_code = 40000


class WrongEndpoint(SqlError):
    """The statement is right, and another path carries it out."""

    code = "wrong_endpoint"
    ksql_code = 40002

    def __init__(self, kind: str, path: str, *, instead: str, span: Span | None = None) -> None:
        super().__init__(f"{path} cannot carry out {kind} statements", span=span, hint=f"Send it to {instead}.")


class Unauthorized(SsqlError):
    """A request without credentials, or with wrong ones."""

    code = "unauthorized"
    status = 401
    ksql_code = 40100

    def __init__(self) -> None:
        super().__init__("you are not authorized: a user and password, or an API key, are needed")


class BodyTypeRefused(SsqlError):
    """The body of a request is of a content type that is not taken there."""

    code = "body_type_refused"
    status = 415
    ksql_code = 41500

    def __init__(self, content_type: str, taken: Sequence[str]) -> None:
        super().__init__(f'a body of the type "{content_type}" is not taken here', hint=f"Send {', or '.join(taken)}.")


class Forbidden(SqlError):
    """Known, and without the right to do this."""

    code = "forbidden"
    status = 403
    ksql_code = 40300

    def __init__(self, right: str, needed: str, *, span: Span | None = None) -> None:
        super().__init__(f"this needs the right to {needed}: yours is to {right}", span=span)


class PathNotFound(SsqlError):
    """The server has no such path."""

    code = "path_not_found"
    status = 404
    ksql_code = 40400

    def __init__(self, path: str) -> None:
        super().__init__(f'path "{path}" does not exist')


class MethodNotAllowed(SsqlError):
    """The path is there, and another method is needed."""

    code = "method_not_allowed"
    status = 405
    ksql_code = 40500

    def __init__(self, method: str, path: str, allowed: Iterable[str]) -> None:
        self.allowed = sorted(allowed)
        super().__init__(f"{path} cannot be called with {method}", hint=f"Use {' or '.join(self.allowed)}.")


class NotAcceptable(SsqlError):
    """None of the content types that the client accepts can be given."""

    code = "not_acceptable"
    status = 406
    ksql_code = 40600

    def __init__(self, accept: str, offered: Iterable[str]) -> None:
        super().__init__(f'no answer can be given as "{accept}"', hint=f"Accept one of: {', '.join(offered)}.")


class OriginRefused(SsqlError):
    """A page of another site opens a WebSocket, or sends something: browsers let it, so that the server has to look."""

    code = "origin_refused"
    status = 403
    ksql_code = 40300

    def __init__(self, origin: str | None, *, socket: bool) -> None:
        page = "another site" if origin is None else f'"{origin}"'
        super().__init__(
            f"pages of {page} may not {'open a WebSocket' if socket else 'send requests'} here",
            hint="Name the origin in access.control.allow.origin.",
        )


class HostRefused(SsqlError):
    """A browser calls a server on this machine by a name that is not one of its own: so pages of other sites do, whose
    name leads here now (DNS rebinding)."""

    code = "host_refused"
    status = 403
    ksql_code = 40300

    def __init__(self, host: str) -> None:
        super().__init__(
            f'browsers may not call this server "{host}"',
            hint=f"Call it localhost, or name the origin in access.control.allow.origin, as http://{host}.",
        )


class RequestTooSlow(SsqlError):
    """The body of a request does not come."""

    code = "request_too_slow"
    status = 408
    ksql_code = 40800

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the request was not whole after {seconds:g} s",
            hint="Send it faster, send rows to /inserts-stream, or raise request.timeout.seconds.",
        )


class BodyTooLarge(SsqlError):
    """A request is larger than the server reads as a whole."""

    code = "body_too_large"
    status = 413
    ksql_code = 41300

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"the request is larger than {limit_bytes} bytes", hint="Send rows in smaller parts, or to /inserts-stream."
        )


class ServerStarting(SsqlError):
    """The server listens, and the engine is not open yet."""

    code = "server_starting"
    status = 503
    ksql_code = 50302

    def __init__(self, progress: Mapping[str, object] | None = None, text: str = "") -> None:
        hint = "Try again in a few seconds."
        super().__init__("the server is starting", hint=f"{hint} It is {text}." if text else hint)
        self.progress = progress

    def as_json(self) -> dict[str, object]:
        """The body, with what the opening is at beside what every error has."""
        body = super().as_json()
        return body if self.progress is None else {**body, "progress": self.progress}


class ServerStopping(SsqlError):
    """The server ends, and takes no new requests."""

    code = "server_stopping"
    status = 503
    ksql_code = 50303

    def __init__(self) -> None:
        super().__init__("the server is shutting down")


class ServerTerminated(SsqlError):
    """The cluster was ended for good (/ksql/terminate)."""

    code = "server_terminated"
    status = 503
    ksql_code = 50304

    def __init__(self) -> None:
        super().__init__("the server is shut down", hint="It was terminated: start it again.")


class TooManyConnections(SsqlError):
    """A connection beyond those that the server keeps (`max.connections`)."""

    code = "too_many_connections"
    status = 503
    ksql_code = 50300

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} connections are open already", hint="Close some, try again later, or raise max.connections."
        )
