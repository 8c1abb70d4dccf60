"""What the handlers of one engine share, and what belongs to one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Any

from ssql.catalog.catalog import Catalog
from ssql.catalog.changes import Change, apply
from ssql.catalog.commands import Command, CommandTopic
from ssql.config import SERVICE_ID, VARIABLE_SUBSTITUTION, Config
from ssql.engine.api import Entity, Session
from ssql.engine.lookups import Lookup
from ssql.engine.pull_plans import PullPlans
from ssql.engine.reads.database import ReadDatabase
from ssql.engine.recent import Recent
from ssql.engine.running import Running
from ssql.engine.session import effective, substitutes
from ssql.engine.statements_pool import StatementPool
from ssql.engine.subscriptions.feeds import Feeds
from ssql.log.api import Log
from ssql.planner.pull import PullPlan
from ssql.runtime.api import Worker
from ssql.schemas.api import SchemaRegistry
from ssql.sql.parser import Scope
from ssql.sql.statements import Statement

if TYPE_CHECKING:
    from ssql.engine.prepared import Prepared
    from ssql.engine.print_topic import TopicPrint


@dataclass
class Core:
    """Log, schema registry, worker and catalog of one engine.

    `catalog` is an immutable snapshot that is swapped whole: readers take it once and need no lock. Whoever changes
    definitions holds `defining` from reading the catalog to `commit`.
    """

    config: Config
    log: Log
    worker: Worker
    commands: CommandTopic
    running: Running
    feeds: Feeds
    pool: StatementPool
    pull_plans: PullPlans[PullPlan]
    lookups: PullPlans[Lookup]
    prepared: PullPlans[Prepared]
    reads: ReadDatabase
    schemas: SchemaRegistry
    recent: Recent
    catalog: Catalog
    defining: RLock = field(default_factory=RLock)
    #: the PRINT statements that are running
    prints: set[TopicPrint] = field(default_factory=set)

    @property
    def settings(self) -> Config:
        """The settings of all sessions: the configuration, with what ALTER SYSTEM said over it."""
        return self.config.with_values(self.catalog.settings) if self.catalog.settings else self.config

    @property
    def service_id(self) -> str:
        return self.config[SERVICE_ID]

    def commit(
        self,
        statement: str,
        changes: Sequence[Change],
        properties: Mapping[str, str],
        *,
        run: Callable[[], None] | None = None,
        back: Sequence[Change] = (),
    ) -> None:
        """Write a command, then let it take effect. The caller holds `defining`.

        `run`: what it makes the worker do, before others see the new catalog; where that fails, `back` takes the
        command back, and the error is passed on.
        """
        after = apply(self.catalog, changes)
        self.commands.append(Command(statement, tuple(changes), properties))
        if run is not None:
            try:
                run()
            except Exception:
                self.commands.append(Command(statement, tuple(back), properties))
                raise
        self.catalog = after


@dataclass(frozen=True)
class Request:
    """One statement's surroundings: the engine's core and the session it came with."""

    core: Core
    session: Session

    @property
    def config(self) -> Config:
        """The settings in force: the engine's, with the session's SET over them."""
        return effective(self.core.settings, self.session.properties)

    def variables(self) -> Scope:
        """The session's variables, as statements are to be read with them."""
        base = self.core.settings
        enabled = substitutes(base, self.session)
        return Scope(self.session.variables, enabled=enabled, enabled_unset=base[VARIABLE_SUBSTITUTION])

    @property
    def catalog(self) -> Catalog:
        return self.core.catalog

    def commit(
        self,
        statement: Statement,
        changes: Sequence[Change],
        *,
        run: Callable[[], None] | None = None,
        back: Sequence[Change] = (),
    ) -> None:
        """See `Core.commit`."""
        properties = {key: str(value) for key, value in self.session.properties.items()}
        self.core.commit(statement.text, changes, properties, run=run, back=back)


def entity(kind: str, statement: Statement, /, **fields: Any) -> Entity:
    """An answer of type `kind`, with what every answer has."""
    return {"@type": kind, "statementText": statement.text + ";", "warnings": [], **fields}


def done(
    statement: Statement,
    command: tuple[str, str, str],
    message: str,
    *,
    sequence: int = -1,
    query_id: str | None = None,
    warning: str | None = None,
) -> Entity:
    """The answer of a definition: `command` is (type, entity, action), `sequence` the command's number."""
    found = entity(
        "currentStatus",
        statement,
        commandId="/".join(command),
        commandStatus={"status": "SUCCESS", "message": message, "queryId": query_id},
        commandSequenceNumber=sequence,
    )
    if warning is not None:
        found["warnings"] = [{"message": warning}]
    return found
