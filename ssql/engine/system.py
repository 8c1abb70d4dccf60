"""ALTER SYSTEM: a setting's value for all sessions, kept in the command topic."""

from __future__ import annotations

from ssql.catalog.changes import PutSetting
from ssql.config import lookup
from ssql.engine.api import Entity
from ssql.engine.context import Request, done
from ssql.engine.session import effective
from ssql.errors import ConfigError
from ssql.sql.statements import AlterSystem


def alter_system(request: Request, statement: AlterSystem) -> Entity:
    """ALTER SYSTEM 'name' = 'value': from now on and over restarts; what a session SETs goes before it.

    Raises:
        UnknownSetting: for a name that is no setting.
        ConfigError: for a value that does not parse, or a setting of the server.
    """
    core, name = request.core, statement.name
    try:
        effective(core.config, {name: statement.value})
    except ConfigError as wrong:
        wrong.span = statement.span
        raise
    setting = lookup(name)
    command = ("cluster", name, "alter")
    if setting is None:
        message = f"{name} has no effect here."
        return done(statement, command, message, warning=message)
    with core.defining:
        sequence = core.commands.next_sequence()
        request.commit(statement, [PutSetting(setting.key, statement.value)])
    return done(statement, command, f"{setting.key} was set to {statement.value}.", sequence=sequence)
