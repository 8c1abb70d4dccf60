"""What may take the place of what: the rules of CREATE OR REPLACE and ALTER, which are ksqlDB's.

A definition may be replaced by one over the same topic that only adds columns at the end; a query by one whose fixed
operators are the same (see `outline`). The new query then goes on from the old one's positions and state: state is
filed under the ids of steps, and steps that keep rows have the same ids in both plans, so no state is to be mapped.
"""

from __future__ import annotations

from collections.abc import Sequence

from ssql.errors import InternalError, Span, UpgradeRefused
from ssql.planner import steps as s
from ssql.planner.ksql_text import optional, timestamp_text, topic_text
from ssql.planner.outline import Part
from ssql.planner.relation import Relation

NOT_UPGRADEABLE = "Query is not upgradeable."
#: Steps that keep no rows.
_STATELESS = (s.Scan, s.Map, s.Pick, s.Require, s.Exchange, s.Sink)


# --- definitions -----------------------------------------------------------------------------------------------------


def check_definition(old: Relation, new: Relation, span: Span, *, exact_keys: bool = True) -> None:
    """Raise where `new` cannot take the place of `old`, whose topic holds records already.

    Kind, topic, formats, window and timestamp column stay, key columns too, and value columns may only be added, at
    the end. `exact_keys` False: further key columns are left to the check of the query.

    Raises:
        UpgradeRefused
    """
    issues = [
        f"{what} = {before} which is not upgradeable to {after}"
        for what, before, after, same in (
            ("type", f"K{old.kind}", f"K{new.kind}", old.kind == new.kind),
            ("topic", topic_text(old), topic_text(new), _topic(old) == _topic(new)),
            (
                "timestampColumn",
                optional(timestamp_text(old)),
                optional(timestamp_text(new)),
                old.timestamp == new.timestamp,
            ),
        )
        if not same
    ]
    wrong = _columns_changed(old, new, exact_keys=exact_keys)
    if wrong is not None:
        issues.append(f"schema = {old.schema} which is not upgradeable to {new.schema}. ({wrong})")
    if issues:
        found = "\n\tAND ".join(f"DataSource '`{old.name}`' has {issue}" for issue in issues)
        raise UpgradeRefused(
            f"Cannot upgrade data source: {found}",
            span=span,
            hint="Kind, topic, formats and columns stay as they are; new value columns go after the last one.",
        )


def _topic(relation: Relation) -> object:
    return relation.topic, relation.key_format, relation.value_format, relation.window


def _columns_changed(old: Relation, new: Relation, *, exact_keys: bool) -> str | None:
    before, after = _keys(old), _keys(new)
    keys = _moved(before, after) or [str(c) for c in after[len(before) :] if exact_keys]
    if keys:
        return (
            "Key columns must be identical. The following key columns are changed, missing or reordered: "
            f"[{', '.join(keys)}]"
        )
    values = _moved(_values(old), _values(new))
    if values:
        return f"The following columns are changed, missing or reordered: [{', '.join(values)}]"
    return None


def _keys(relation: Relation) -> list[str]:
    return [str(c) for c in relation.schema.keys]


def _values(relation: Relation) -> list[str]:
    """The columns that are no key; those that are read from headers are marked as such."""
    role = {h.name: " HEADERS" if h.header is None else f" HEADER('{h.header}')" for h in relation.headers}
    return [f"{c}{role.get(c.name, '')}" for c in relation.schema.values]


def _moved(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """The old columns that do not stand at their place any more."""
    return [column for at, column in enumerate(old) if column not in new[at : at + 1]]


# --- queries ---------------------------------------------------------------------------------------------------------


def same_query(old: s.QueryPlan, new: s.QueryPlan) -> bool:
    """Whether both do the same: replacing one by the other changes nothing."""
    return old.steps == new.steps


def check_query(old: s.QueryPlan, new: s.QueryPlan, span: Span) -> None:
    """Raise where a query cannot go on from the positions and the state of another.

    Raises:
        UpgradeRefused
    """
    try:
        _compare(old.outline, new.outline)
        _compare_state(old, new)
    except UpgradeRefused as refused:
        refused.span = refused.span or span
        raise


def _compare(this: Sequence[Part], that: Sequence[Part]) -> None:
    """Walk both outlines from the top. As in ksqlDB, the two change places below a free part: that decides which of
    them a message names first, and that a free part above a fixed one may go, but not come."""
    while this:
        part = this[0]
        if part.role == "closed":
            raise UpgradeRefused(f"Upgrades not yet supported for {part.name}")
        if part.role == "free":
            this, that = that, this[1:]
            continue
        if part.is_source:
            that = _down_to_source(part, that)
        _must_match(part, that[0])
        this, that = this[1:], that[1:]


def _down_to_source(source: Part, other: Sequence[Part]) -> Sequence[Part]:
    for at, part in enumerate(other):
        if part.name == source.name:
            return other[at:]
        if part.is_source:
            raise UpgradeRefused(
                f"{NOT_UPGRADEABLE} The root source node of the upgrade tree must be {source.name}, but was "
                f"{_class(part)}"
            )
        if part.name.endswith("Join"):
            raise UpgradeRefused(f"{NOT_UPGRADEABLE} Cannot change a non-join source into a join source.")
        if part.role != "free":
            raise UpgradeRefused(f"Upgrades not yet supported for {part.name}")
    raise InternalError("an outline without an end")


def _must_match(part: Part, other: Part) -> None:
    pairs = [("class", _class(part), _class(other))]
    if part.name == other.name:
        pairs = [
            (name, mine, theirs) for (name, mine), (_, theirs) in zip(part.properties, other.properties, strict=True)
        ]
    for name, mine, theirs in pairs:
        if mine != theirs:
            raise UpgradeRefused(
                f"{NOT_UPGRADEABLE} Plan step of type {part.name} must have matching {name}. "
                f"Values differ: {mine} vs. {theirs}"
            )


def _class(part: Part) -> str:
    return f"class io.confluent.ksql.execution.plan.{part.name}"


# --- state -----------------------------------------------------------------------------------------------------------


def _compare_state(old: s.QueryPlan, new: s.QueryPlan) -> None:
    """What ksqlDB's rules say nothing of: that the rows kept are of the same columns, and of the same table."""
    for name, held in (("tables", _tables), ("state", _state)):
        before, after = held(old), held(new)
        if before != after:
            raise UpgradeRefused(f"{NOT_UPGRADEABLE} It must keep the same {name}. Values differ: {before} vs. {after}")


def _tables(query: s.QueryPlan) -> list[str]:
    """The tables whose rows it reads: they are kept by name."""
    return sorted({x.relation.name for x in query.steps if isinstance(x, s.Scan) and x.relation.kind == "TABLE"})


def _state(query: s.QueryPlan) -> list[str]:
    steps = {step.id: step for step in query.steps}
    return [_held(step, steps) for step in query.steps if not isinstance(step, _STATELESS)]


def _held(step: s.Step, steps: dict[str, s.Step]) -> str:
    """The rows that a step keeps: by which columns, of which columns."""
    if not isinstance(step, s.Aggregate):
        return repr(step)
    given = steps[step.inputs[0]].schema.by_name
    columns = [f"{name} {given[name].type} KEY" for name in step.keys]
    columns += [f"{name} {kind}" for name, kind in step.accumulators]
    columns += [f"DISTINCT {d.column} {given[d.column].type}" for d in step.distinct]
    kept = "" if step.lifetime_ms is None else f" for {step.lifetime_ms} ms"
    return f"{step.id}: {', '.join(columns)}{kept}"
