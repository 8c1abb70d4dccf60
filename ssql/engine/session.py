"""SET, UNSET, DEFINE and UNDEFINE: what a client carries from statement to statement."""

from __future__ import annotations

from collections.abc import Mapping

from ssql.config import SETTINGS, Config, lookup
from ssql.engine.api import Session
from ssql.errors import ConfigError, UnknownSetting
from ssql.sql.statements import Define, SetProperty, Undefine, UnsetProperty

#: ksqlDB's and Kafka's names that clients set out of habit; ssql has nothing that they would change.
_WITHOUT_EFFECT = frozenset(
    {
        "acceptable.recovery.lag",
        "buffered.records.per.partition",
        "cache.max.bytes.buffering",
        "commit.interval.ms",
        "default.deserialization.exception.handler",
        "default.production.exception.handler",
        "default.timestamp.extractor",
        "max.poll.records",
        "max.task.idle.ms",
        "metric.reporters",
        "num.standby.replicas",
        "num.stream.threads",
        "processing.guarantee",
        "replication.factor",
        "state.dir",
        "statestore.cache.max.bytes",
        "task.timeout.ms",
        "topology.optimization",
    }
)
_PREFIXES = ("ksql.", "consumer.", "producer.", "admin.", "topic.")


def has_no_effect(key: str) -> bool:
    """True for a property that is accepted, and changes nothing here."""
    bare = key.removeprefix("ksql.streams.")
    return lookup(key) is None and (bare in _WITHOUT_EFFECT or key.startswith(_PREFIXES) or bare.startswith(_PREFIXES))


def effective(config: Config, properties: Mapping[str, object]) -> Config:
    """The settings with a session's properties over them.

    Raises:
        UnknownSetting: for a name that neither ssql nor ksqlDB has.
        ConfigError: for a value that does not parse, or a setting of the server.
    """
    if not properties:
        return config
    return config.with_values({key: value for key, value in properties.items() if _checked(key)})


def _checked(key: str) -> bool:
    """True where the setting takes effect; raises for one that no session can set."""
    found = lookup(key)
    if found is None:
        if has_no_effect(key):
            return False
        raise UnknownSetting(key, candidates=[n for s in SETTINGS.values() for n in (s.key, *s.aliases) if s.per_query])
    if not found.per_query:
        raise ConfigError(
            f'setting "{key}" belongs to the server and cannot be SET', hint="Set it where the server starts."
        )
    return True


def set_property(config: Config, session: Session, statement: SetProperty) -> None:
    """SET: checked before the session takes it."""
    try:
        effective(config, {statement.name: statement.value})
    except ConfigError as wrong:
        wrong.span = statement.span
        raise
    session.properties[statement.name] = statement.value


def unset_property(session: Session, statement: UnsetProperty) -> None:
    """UNSET, under any of the setting's names; one that is not set is nothing."""
    wanted = lookup(statement.name)
    for key in list(session.properties):
        if key == statement.name or (wanted is not None and lookup(key) is wanted):
            del session.properties[key]


def define(session: Session, statement: Define) -> None:
    """DEFINE; names ignore case."""
    undefine_name(session, statement.name.text)
    session.variables[statement.name.text] = statement.value


def undefine(session: Session, statement: Undefine) -> None:
    undefine_name(session, statement.name.text)


def undefine_name(session: Session, name: str) -> None:
    """Forget a variable; one that is not there is nothing."""
    for known in [v for v in session.variables if v.upper() == name.upper()]:
        del session.variables[known]
