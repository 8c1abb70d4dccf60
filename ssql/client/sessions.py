"""What SET and DEFINE say lasts for a connection, and is sent with each statement, as ksqlDB's clients do it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ssql.client.backends import Statement
from ssql.client.parameters import Parameters, bind
from ssql.config import VARIABLE_SUBSTITUTION
from ssql.errors import BadParameter

_SAYS_SOMETHING = re.compile(r"\b(SET|UNSET|DEFINE|UNDEFINE)\b", re.IGNORECASE)


@dataclass
class ClientSession:
    """Settings by key, and the text of `${name}` by name."""

    properties: dict[str, object] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    def statement(self, sql: str, parameters: Parameters | None, given: Mapping[str, str] | None = None) -> Statement:
        """The statement to send; `given` are variables for it alone.

        Raises:
            BadParameter: see `parameters.bind`.
        """
        if parameters is None:
            return Statement(sql, dict(self.properties), {**self.variables, **(given or {})})
        if given:
            raise BadParameter("a statement has parameters, or variables")
        return Statement(bind(sql, parameters), {**self.properties, VARIABLE_SUBSTITUTION.key: False})

    def carried_out(self, statement: Statement, given: Mapping[str, str]) -> None:
        """Take over what a script that was carried out says."""
        if not _SAYS_SOMETHING.search(statement.sql):
            return
        from ssql.config import Config
        from ssql.engine.api import Session
        from ssql.engine.session import define, substitutes, undefine, unset_property
        from ssql.sql import statements as s
        from ssql.sql.parser import parse_script
        from ssql.sql.variables import Scope

        session = Session(self.properties, {**self.variables, **given})
        scope = Scope(session.variables, enabled=substitutes(Config(), Session(dict(statement.properties))))
        for each in parse_script(statement.sql, scope):
            match each:
                case s.SetProperty(name=name, value=value):
                    session.properties[name] = value
                case s.UnsetProperty():
                    unset_property(session, each)
                case s.Define():
                    define(session, each)
                case s.Undefine():
                    undefine(session, each)
        hidden = {name: text for name, text in self.variables.items() if name in given}
        self.variables = {name: text for name, text in session.variables.items() if name not in given} | hidden
