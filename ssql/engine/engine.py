"""The engine: opens log, catalog and worker, and sends each statement to its handler."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

import pyarrow as pa

from ssql import __version__, tracing
from ssql.catalog.catalog import Catalog
from ssql.catalog.commands import CommandTopic
from ssql.catalog.endpoints import Endpoint
from ssql.catalog.system import empty_catalog
from ssql.config import (
    DATA_DIR,
    KAFKA_BOOTSTRAP,
    KAFKA_CONNECT_TIMEOUT_MS,
    MAX_PUSH_QUERIES,
    PULL_WAIT_MS,
    PUSH_BUFFER_BYTES,
    SERVICE_ID,
    Config,
)
from ssql.engine import (
    asserts,
    cluster,
    connectors,
    define,
    describe,
    endpoints,
    insert,
    kept,
    planning,
    prepared,
    print_topic,
    pull,
    push,
    queries,
    rehearsal,
    rights,
    session,
    show,
    system,
)
from ssql.engine.api import EndpointCall, Entity, InsertAck, Metrics, PullResult, PushQuery, Session, Subscription
from ssql.engine.context import Core, Request
from ssql.engine.opening import Opening
from ssql.engine.progress import Progress, Stage
from ssql.engine.pull_plans import PullPlans
from ssql.engine.reads import choice
from ssql.engine.reads.database import ReadDatabase
from ssql.engine.recent import Recent
from ssql.engine.running import Running
from ssql.engine.statements_pool import StatementPool
from ssql.engine.subscriptions import start as subscriptions
from ssql.engine.subscriptions.feeds import Feeds
from ssql.errors import InternalError, InvalidStatement, SqlError, SsqlError, WrongEndpoint
from ssql.log.api import Log
from ssql.planner.relation import Relation
from ssql.runtime.api import Worker
from ssql.runtime.progress import QueryState, Restoring
from ssql.schemas.api import SchemaRegistry
from ssql.schemas.open import for_worker, open_registry
from ssql.sql import statements as s
from ssql.sql.parser import parse_script, parse_statement

LOGGER = logging.getLogger("ssql.engine")

#: How often (s) the embedded log enforces retention, compacts and frees space.
MAINTAIN_S = 60.0

#: The version of ksqlDB whose API this is: its tools refuse servers by the number that a version begins with.
KSQLDB_VERSION = "8.5.0"

Handler = Callable[[Request, Any], Entity | None]


def _in_session(change: Callable[[Session, Any], Entity | None]) -> Handler:
    """A handler that touches nothing but the session."""
    return lambda request, statement: change(request.session, statement)


def _set(request: Request, statement: s.SetProperty) -> None:
    session.set_property(request.core.config, request.session, statement)


def _describe(request: Request, statement: s.Describe) -> Entity:
    return _DESCRIBES.get(statement.what, describe.describe)(request, statement)


_DESCRIBES: Mapping[str, Callable[[Request, s.Describe], Entity]] = {
    "CONNECTOR": connectors.describe_connector,
    "ENDPOINT": endpoints.describe,
}


#: What carries out a statement; None is no answer.
HANDLERS: Mapping[type[s.Statement], Handler] = {
    s.CreateSource: define.create_source,
    s.AlterSource: define.alter_source,
    s.DropSource: define.drop_source,
    s.CreateType: define.create_type,
    s.DropType: define.drop_type,
    s.CreateAs: queries.create_as,
    s.InsertInto: queries.insert_into,
    s.ChangeQuery: queries.change_query,
    s.InsertValues: insert.insert_values,
    s.Show: show.show,
    s.Describe: _describe,
    s.Explain: describe.explain,
    s.CreateConnector: connectors.create_connector,
    s.DropConnector: connectors.drop_connector,
    s.DropEndpoint: endpoints.drop,
    s.AssertTopic: asserts.assert_topic,
    s.AssertSchema: asserts.assert_schema,
    s.AlterSystem: system.alter_system,
    s.SetProperty: _set,
    s.UnsetProperty: _in_session(session.unset_property),
    s.Define: _in_session(session.define),
    s.Undefine: _in_session(session.undefine),
}


def open_log(config: Config) -> Log:
    """The log that the settings ask for: Kafka where there are brokers, else a local directory."""
    if config[KAFKA_BOOTSTRAP]:
        from ssql.log.kafka import KafkaLog
        from ssql.log.kafka_settings import client_settings

        patience_s = config[KAFKA_CONNECT_TIMEOUT_MS] / 1000
        return KafkaLog(config[KAFKA_BOOTSTRAP], client_settings(config), connect_timeout_s=patience_s)
    from ssql.log.embedded import EmbeddedLog

    return EmbeddedLog(config[DATA_DIR], maintain_s=MAINTAIN_S)


def make_worker(log: Log, config: Config, schemas: SchemaRegistry, restoring: Restoring) -> Worker:
    from ssql.runtime.worker import DataflowWorker

    return DataflowWorker(log, config, for_worker(schemas), restoring)


class LocalEngine:
    """See `ssql.engine.api.Engine`. Owns its log (given or opened) and closes it.

    Opening replays the command topic, hands all queries to the worker, and starts it; `opening` tells how far that is.
    """

    def __init__(self, config: Config, log: Log | None = None, opening: Opening | None = None) -> None:
        self._opening = opening or Opening()
        self._log = log if log is not None else open_log(config)
        try:
            self._schemas = open_registry(config, self._log)
            try:
                self._core = self._open(config)
            except BaseException:
                self._schemas.close()
                raise
        except BaseException:
            self._log.close()
            raise
        self._closed = False
        self._opening.stage = Stage.OPEN

    def _open(self, config: Config) -> Core:
        opening = self._opening
        opening.stage = Stage.REPLAYING
        commands = CommandTopic(self._log, config[SERVICE_ID])
        catalog = commands.replay(empty_catalog(config[SERVICE_ID]), opening.replayed)
        opening.stage = Stage.RESTORING
        worker = make_worker(self._log, config, self._schemas, opening.restoring)
        try:
            kept.begin_all(worker, catalog)
            _resume(worker, catalog)
            worker.start()
        except BaseException:
            worker.close()
            raise
        running = Running(config[MAX_PUSH_QUERIES])
        feeds = Feeds(worker, running, config[PUSH_BUFFER_BYTES])
        return Core(
            config=config,
            log=self._log,
            worker=worker,
            commands=commands,
            running=running,
            feeds=feeds,
            pool=StatementPool(),
            pull_plans=PullPlans(),
            lookups=PullPlans(),
            prepared=PullPlans(),
            reads=ReadDatabase(config),
            schemas=self._schemas,
            recent=Recent(worker, self._log, config[PULL_WAIT_MS] / 1000),
            catalog=catalog,
        )

    # --- statements ----------------------------------------------------------

    def execute(self, text: str, session: Session | None = None) -> list[Entity]:
        request = Request(self._core, session or Session())
        entities: list[Entity] = []
        try:
            statements = parse_script(text, request.variables())
        except SqlError as error:
            raise error.within(text, statement=text.strip()) from None
        with tracing.span("rehearsal"):
            for trial, statement in rehearsal.trials(request, statements):
                self._answer(trial, text, statement, [])
        for statement in statements:
            with tracing.span("statement", **{"db.operation.name": type(statement).__name__}):
                answer = self._answer(request, text, statement, entities)
            if answer is not None:
                entities.append(answer)
        return entities

    def _answer(self, request: Request, text: str, statement: s.Statement, before: list[Entity]) -> Entity | None:
        """Carry out one statement of a text; an error has its place there, and the answers of those `before` it."""
        try:
            return self._carry_out(request, statement)
        except SsqlError as error:
            error.within(text, statement=statement.text + ";")
            error.entities = before
            raise
        except Exception as error:
            raise _internal(error, text, statement.text + ";", before) from error

    def _carry_out(self, request: Request, statement: s.Statement) -> Entity | None:
        rights.check(statement, request.session.right)
        if isinstance(statement, s.Select | s.Print):
            kind = "SELECT" if isinstance(statement, s.Select) else "PRINT"
            raise WrongEndpoint(kind, "/ksql", instead="/query-stream", span=statement.span)
        if isinstance(statement, s.RunScript):
            raise InvalidStatement(
                "RUN SCRIPT is carried out by the command, which reads the file",
                span=statement.span,
                hint="Send what is in the file.",
            )
        if isinstance(statement, s.CreateEndpoint):
            return endpoints.create(request, statement, self.query)
        return HANDLERS[type(statement)](request, statement)

    @tracing.traced("look up")
    def look_up(self, sql: str, session: Session | None = None) -> PullResult | None:
        return None if self._core.recent.pending else pull.look_up(Request(self._core, session or Session()), sql)

    @tracing.traced("query")
    def query(self, sql: str, session: Session | None = None) -> PullResult | PushQuery:
        request = Request(self._core, session or Session())
        self._core.recent.wait()
        answer = pull.known(request, sql)
        if answer is not None:
            return answer
        text = sql.strip()
        try:
            try:
                statement = parse_statement(sql, request.variables().values)
            except SqlError as error:
                if not choice.is_full(request):
                    raise
                return choice.instead(request, sql, error)
            text = statement.text + ";"
            if isinstance(statement, s.Print):
                return print_topic.start(request, statement)
            if not isinstance(statement, s.Select):
                raise WrongEndpoint("other", "/query-stream", instead="/ksql", span=statement.span)
            if statement.query.emit is None:
                return pull.pull(request, statement, sql)
            return push.start(request, statement)
        except SsqlError as error:
            error.within(sql, statement=text)
            raise
        except Exception as error:
            raise _internal(error, sql, text, []) from error

    @tracing.traced("subscribe")
    def subscribe(
        self,
        sql: str,
        session: Session | None = None,
        *,
        after: str | None = None,
        snapshot: bool = True,
        every_change: bool = False,
    ) -> Subscription:
        request = Request(self._core, session or Session())
        try:
            return subscriptions.start(request, sql, after=after, snapshot=snapshot, every_change=every_change)
        except SsqlError:
            raise
        except Exception as error:
            raise _internal(error, sql, sql.strip(), []) from error

    def push_query(self, query_id: str) -> PushQuery | None:
        return self._core.running.push(query_id)

    def insert(self, target: str, rows: Sequence[Mapping[str, Any]], session: Session | None = None) -> list[InsertAck]:
        request = Request(self._core, session or Session())
        rights.check_insert(request.session.right)
        return insert.insert_rows(request, target, rows)

    # --- what there is -------------------------------------------------------

    def relations(self) -> Sequence[Relation]:
        return tuple(source.relation for source in self._core.catalog.sources.values())

    def brokers(self) -> str:
        return str(self._core.config[KAFKA_BOOTSTRAP])

    # --- endpoints -----------------------------------------------------------

    def endpoints(self) -> Sequence[Endpoint]:
        return tuple(self._core.catalog.endpoints.values())

    def call(self, endpoint: str, values: Mapping[str, str], *, as_json: bool = False) -> EndpointCall:
        return endpoints.call(self._core.catalog, endpoint, values, as_json=as_json)

    @tracing.traced("call")
    def answer(self, call: EndpointCall, session: Session) -> PullResult | PushQuery:
        request = Request(self._core, session)
        self._core.recent.wait()
        found = pull.look_up(request, call.sql) or prepared.answer(request, call)
        return self.query(call.sql, session) if found is None else found

    def insert_batch(
        self, target: str, batch: pa.RecordBatch, session: Session | None = None
    ) -> Mapping[int, SsqlError]:
        request = Request(self._core, session or Session())
        rights.check_insert(request.session.right)
        return insert.insert_batch(request, target, batch)

    # --- the engine itself ---------------------------------------------------

    def info(self) -> dict[str, Any]:
        return {
            "version": f"{KSQLDB_VERSION}-ssql-{__version__}",
            "kafkaClusterId": self._log.cluster_id,
            "ksqlServiceId": self._core.service_id,
            "serverStatus": "CLOSED" if self._closed else "RUNNING",
        }

    def health(self) -> dict[str, Any]:
        failed = [q.query_id for q in self._core.worker.status() if q.state is QueryState.ERROR]
        details: dict[str, dict[str, Any]] = {
            "metastore": {"isHealthy": True},
            "kafka": {"isHealthy": self._log.topic(self._core.commands.name) is not None},
            "commandRunner": {"isHealthy": True},
            "queries": {"isHealthy": not failed, "failed": failed},
        }
        # A failed query is its owner's business: the server itself answers, and is healthy.
        healthy = all(part["isHealthy"] for name, part in details.items() if name != "queries")
        return {"isHealthy": healthy, "details": details, "serverState": self.info()["serverStatus"]}

    def metrics(self) -> Metrics:
        core = self._core
        queries = [q for q in core.worker.status() if q.query_id in core.catalog.queries]
        return Metrics(
            core.worker.throughput(), queries, len(core.running.all()), core.worker.cut().epoch, self.progress()
        )

    def progress(self) -> Progress:
        return Progress(self._opening.progress().opening, self._core.worker.progress())

    def cluster(self) -> dict[str, Any]:
        return cluster.status(self._core)

    def terminate(self, delete_topics: Sequence[str]) -> Entity:
        entity = cluster.terminate(self._core, delete_topics)
        self.close()
        return entity

    def caught_up(self, timeout_s: float) -> bool:
        return self._core.worker.caught_up(timeout_s)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._core.running.close_all()
        self._core.feeds.close()
        for printing in list(self._core.prints):
            printing.close()
        self._core.worker.close()
        self._core.pool.close()
        self._core.reads.close()
        self._schemas.close()
        self._log.close()


def _internal(error: Exception, text: str, statement: str, entities: list[Entity]) -> SsqlError:
    LOGGER.exception("statement failed: %s", statement)
    found = InternalError(f"{type(error).__name__}: {error}").within(text, statement=statement)
    found.entities = entities
    return found


def _resume(worker: Worker, catalog: Catalog) -> None:
    """Give the worker all queries, in the order they were made, then pause those that were paused."""
    for start, group in groupby(catalog.queries.values(), key=lambda q: q.start):
        worker.add([planning.again(query) for query in group], start=start)
    for query in catalog.queries.values():
        if query.paused:
            worker.pause(query.id)
