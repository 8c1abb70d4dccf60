"""SET, UNSET, DEFINE and UNDEFINE: what a client carries from statement to statement."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from ssql.config import SETTINGS, VARIABLE_SUBSTITUTION, Config, instead_of, lookup
from ssql.engine.api import Entity, Session
from ssql.errors import ConfigError, UnknownSetting
from ssql.sql.statements import Define, SetProperty, Undefine, UnsetProperty

#: ksqlDB's and Kafka's names that clients set out of habit; ssql has nothing that they would change.
_WITHOUT_EFFECT = frozenset(
    {
        "acceptable.recovery.lag",
        "buffered.records.per.partition",
        "cache.max.bytes.buffering",
        "commit.interval.ms",
        "compression.type",
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
#: How alike (of 1) a name must be to one of ours to be taken for it, mistyped, rather than for one of ksqlDB's.
_TYPO = 0.9
_PREFIXES = ("ksql.", "consumer.", "producer.", "admin.", "topic.", "confluent.")


def has_no_effect(key: str) -> bool:
    """True for a property that is accepted, and changes nothing here."""
    bare = key.removeprefix("ksql.streams.")
    if lookup(key) is not None or instead_of(key) is not None:
        return False
    return bare in _WITHOUT_EFFECT or key.startswith(_PREFIXES) or bare.startswith(_PREFIXES)


def is_misspelt(key: str) -> bool:
    """True for a property that nearly has the name of a setting: it would be passed over in silence."""
    known = [name for s in SETTINGS.values() for name in (s.key, *s.aliases)]
    return lookup(key) is None and bool(get_close_matches(key, known, n=1, cutoff=_TYPO))


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
        offered = [n for s in SETTINGS.values() for n in (s.key, *s.aliases) if s.per_query]
        if has_no_effect(key) and not get_close_matches(key, offered, n=1, cutoff=_TYPO):
            return False
        raise UnknownSetting(key, candidates=offered)
    if not found.per_query:
        raise ConfigError(
            f'setting "{key}" belongs to the server and cannot be SET', hint="Set it where the server starts."
        )
    return True


def substitutes(config: Config, session: Session) -> bool:
    """Whether `${name}` stands for a variable in this session."""
    given = {key: value for key, value in session.properties.items() if lookup(key) is VARIABLE_SUBSTITUTION}
    return config.with_values(given)[VARIABLE_SUBSTITUTION]


def set_property(config: Config, session: Session, statement: SetProperty) -> None:
    """SET: checked before the session takes it."""
    try:
        effective(config, {statement.name: statement.value})
    except ConfigError as wrong:
        wrong.span = statement.span
        raise
    session.properties[statement.name] = statement.value


def unset_property(session: Session, statement: UnsetProperty) -> None:
    """UNSET, under any of the setting's names; one that is not set is nothing, one that cannot be SET is refused."""
    try:
        _checked(statement.name)
    except ConfigError as wrong:
        wrong.span = statement.span
        raise
    wanted = lookup(statement.name)
    for key in list(session.properties):
        if key == statement.name or (wanted is not None and lookup(key) is wanted):
            del session.properties[key]


def define(session: Session, statement: Define) -> None:
    """DEFINE; names ignore case."""
    undefine_name(session, statement.name.text)
    session.variables[statement.name.text] = statement.value


def undefine(session: Session, statement: Undefine) -> Entity | None:
    """UNDEFINE; names ignore case. One that is not there is a warning."""
    if undefine_name(session, statement.name.text):
        return None
    message = f"Cannot undefine variable '{statement.name}' which was never defined"
    return {"@type": "warning_entity", "statementText": statement.text + ";", "warnings": [], "message": message}


def undefine_name(session: Session, name: str) -> bool:
    """Forget a variable; False where there is none of that name."""
    known = [v for v in session.variables if v.upper() == name.upper()]
    for variable in known:
        del session.variables[variable]
    return bool(known)
