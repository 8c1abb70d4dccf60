"""The worker: one thread that moves the dataflow in epochs, each committed as one transaction."""

from __future__ import annotations

import logging
import threading
import time as clock
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from ssql import tracing
from ssql.config import BATCH_MAX_ROWS, WORKER_NICENESS, Config
from ssql.errors import InternalError, LogError, LogFenced, LogUnavailable, RegistryUnavailable, SsqlError
from ssql.log.api import Log
from ssql.planner.steps import QueryPlan
from ssql.runtime.api import MAIN, Cut, Follower, Offsets, QueryStatus, Start, Throughput
from ssql.runtime.dataflow import Outputs, QueryFailure
from ssql.runtime.inputs import Bounds, SchemaAwaited
from ssql.runtime.progress import STILL, Course, QueryProgress, Restoring, of_query
from ssql.runtime.state import expect
from ssql.runtime.statistics import Statistics
from ssql.runtime.worker.calls import Calls
from ssql.runtime.worker.commits import Commits
from ssql.runtime.worker.flows import IDLE_MS, Flow, Flows, pause
from ssql.runtime.worker.followers import Followers
from ssql.runtime.worker.priority import yield_to_others
from ssql.runtime.worker.published import Published
from ssql.runtime.worker.queries import Queries
from ssql.schemas.api import SchemaRegistry

T = TypeVar("T")

LOGGER = logging.getLogger("ssql.worker")

#: How long (s) a query that needs the schema registry stands aside before it is tried again.
REGISTRY_S = 0.5


class DataflowWorker:
    """See `ssql.runtime.api.Worker`."""

    def __init__(
        self,
        log: Log,
        config: Config,
        schemas: SchemaRegistry | None = None,
        restoring: Restoring | None = None,
    ) -> None:
        self._flows = Flows(log, config, schemas, restoring or Restoring())
        self._niceness = config[WORKER_NICENESS]
        self._statistics = Statistics()
        self._epochs = tracing.Epochs()
        self._commits = Commits(self._flows, self._statistics)
        self._followers = Followers(self._flows, self._commits)
        self._published = Published(self._flows, self._commits)
        self._queries = Queries(self._flows, self._commits, self._followers, self._published, self._statistics)
        if self._commits.frontier.dataflows:  # else there is nothing to restore, and no need to ask for all topics
            expect(log, self._flows.service, self._flows.restoring)
        self._thread = threading.Thread(target=self._loop, name="ssql-worker", daemon=True)
        self._calls = Calls(self._flows, self._thread)

    def start(self) -> None:
        # The first transaction of a dataflow that is not filed yet may be open: nothing behind it would be seen.
        self._flows.log.writer(f"{self._flows.service}side-{self._flows.sides + 1}").close()
        self._commits.forget_strangers()
        for flow in list(self._flows.all.values()):
            if flow.name != MAIN and not flow.dataflow.queries:
                self._flows.end(flow)
        self._flows.restoring.over()
        self._queries.running = True
        for flow in self._flows.all.values():
            flow.note()
        self._calls.note()
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self._commits.stopping = True
            self._calls.wake()
            self._thread.join()
        self._commits.close()
        self._flows.close()

    def add(self, plans: Sequence[QueryPlan], *, start: Start) -> None:
        self._calls.call(lambda: self._queries.add(plans, start))

    def follow(self, plan: QueryPlan, follower: Follower, *, begin: Offsets, quiet: Offsets, own: Offsets) -> None:
        self._calls.call(lambda: self._queries.follow(plan, follower, begin, quiet, own))

    def replace(self, plan: QueryPlan, *, paused: bool) -> None:
        self._calls.call(lambda: self._queries.replace(plan, paused))

    def drop(self, query_id: str, *, forget: bool = True) -> None:
        self._calls.call(lambda: self._queries.drop(query_id, forget))

    def pause(self, query_id: str) -> None:
        self._calls.call(lambda: self._queries.pause(query_id))

    def resume(self, query_id: str) -> None:
        self._calls.call(lambda: self._queries.resume(query_id))

    def status(self) -> Sequence[QueryStatus]:
        return self._calls.call(self._queries.status)

    def progress(self) -> Sequence[QueryProgress]:
        committed, found, idle = self._calls.committed, [], self._flows.config[BATCH_MAX_ROWS]
        now, now_ms = clock.monotonic(), int(clock.time() * 1000)
        # Many queries read the same topics.
        speeds: dict[tuple[str, frozenset[str]], float] = {}
        for query_id, name in committed.of.items():
            subject, course = committed.subjects[query_id], committed.courses[name]
            if subject.durable:
                course = replace(course, ends=self._ends(course)) if course.state in STILL else course
                speed = speeds.get((name, subject.topics))
                if speed is None:
                    speed = speeds[name, subject.topics] = course.speed(subject.topics, now)
                found.append(of_query(query_id, subject, course, idle=idle, speed=speed, now_ms=now_ms))
        return found

    def _ends(self, course: Course) -> Offsets:
        """Where the topics of queries end that stand still: these do not look."""
        try:
            return {tp: self._flows.log.bounds(*tp)[1] for tp in course.seen}
        except LogError:
            return course.ends

    def throughput(self) -> Mapping[str, Throughput]:
        return self._calls.call(self._statistics.topics)

    def cut(self) -> Cut:
        return self._published.cut

    def between_epochs(self, function: Callable[[], T]) -> T:
        return self._calls.call(function)

    def wait_for(self, offsets: Offsets, timeout_s: float) -> bool:
        return self._calls.wait(lambda: self._calls.committed.seen(offsets), timeout_s)

    def wait_for_cut(self, offsets: Offsets, query_ids: Collection[str], timeout_s: float) -> bool:
        return self._calls.wait(lambda: self._calls.committed.shown(offsets, query_ids), timeout_s)

    def caught_up(self, timeout_s: float) -> bool:
        calls = self._calls
        ends = calls.call(calls.ends)
        return calls.wait(
            lambda: calls.committed.settled and not calls.waiting and calls.committed.seen(ends), timeout_s
        )

    def _loop(self) -> None:
        yield_to_others(self._niceness)
        try:
            while not self._commits.stopping:
                self._calls.run()
                sides = []
                for flow in self._flows.all.values():
                    if flow.name == MAIN:
                        continue
                    if self._may_step(flow):
                        sides.append(flow)
                    else:
                        flow.trail.add(flow.seen)  # it waits: that is no slow epoch
                moved = False
                for flow in sides:
                    moved |= self._step(flow, 0.0, self._queries.splicer.bounds(flow))
                    if flow.name in self._flows.all:
                        moved |= self._queries.join(flow)
                wait = 0.0 if moved or self._calls.waiting else (2.0 if sides else IDLE_MS)
                self._step(self._flows.main, wait, None)
                self._calls.note()
        except SsqlError as failure:
            self._fail(failure)
        except BaseException as failure:
            LOGGER.exception("worker stopped")
            self._fail(InternalError(f"the worker stopped: {type(failure).__name__}"))
        finally:
            self._calls.end()

    def _may_step(self, flow: Flow) -> bool:
        return not flow.paused and flow.retry_at <= clock.monotonic() and not self._queries.splicer.waits(flow)

    def _fail(self, failure: SsqlError) -> None:
        LOGGER.error("worker stopped: %s", failure.message)
        self._calls.fail(failure)
        for follower in self._followers.all.values():
            follower.failed(failure.message)
        self._calls.refuse(failure)

    def _step(self, flow: Flow, wait_ms: float, bounds: Bounds | None) -> bool:
        """One epoch of a dataflow, if there is something to read."""
        try:
            epoch = flow.dataflow.inputs.take(wait_ms, bounds)
        except LogFenced:
            raise
        except LogError as trouble:
            LOGGER.warning("could not read, will try again: %s", trouble.message)
            pause(1)
            return False
        except SchemaAwaited as trouble:
            if self._await_registry(flow, flow.dataflow.users_of(trouble.relation), trouble.cause):
                self._commits.commit(flow, None, Outputs())
                self._published.renew()
            return False
        begun_ns = clock.time_ns() if tracing.on() else 0
        quiet = bool(flow.quiet)
        if epoch is None:
            flow.trouble = None
            flow.note()
            if quiet and not flow.quiet:
                self._queries.tell(flow)
            return False
        while flow.dataflow.queries:
            try:
                outputs = flow.dataflow.run(epoch)
                break
            except QueryFailure as failure:
                flow.dataflow.rollback()
                if not isinstance(failure.cause, RegistryUnavailable):
                    self._detach(failure)
                elif not self._await_registry(flow, [failure.query_id], failure.cause):
                    return False
                if flow.paused or flow.trouble is not None:
                    return True
        else:
            return True
        flow.trouble = None
        self._commits.commit(flow, epoch, outputs)
        self._followers.note_own(flow, {topic for topic, _ in outputs.records})
        self._published.renew()
        if begun_ns:
            queries = len(flow.dataflow.queries)
            self._epochs.done(begun_ns, flow.name, self._published.cut.epoch, epoch.records, queries)
        self._queries.tell(flow, dict(outputs.emitted), quiet=quiet)
        return True

    def _detach(self, failure: QueryFailure) -> None:
        cause = failure.cause
        reason = cause.message if isinstance(cause, SsqlError) else f"internal error: {type(cause).__name__}: {cause}"
        LOGGER.error("query %s stopped: %s", failure.query_id, reason, exc_info=cause)
        follower = self._followers.all.get(failure.query_id)
        flow = self._queries.splicer.split(failure.query_id)
        flow.failure, flow.failed_ms = reason, int(clock.time() * 1000)
        flow.internal = not isinstance(cause, SsqlError) or isinstance(cause, InternalError)
        if follower is not None:
            follower.failed(reason)

    def _await_registry(self, flow: Flow, query_ids: Sequence[str], away: RegistryUnavailable) -> bool:
        """Let queries that need the schema registry stand aside, each at the last commit, until it can be reached.

        A reader's query fails instead: who has asked for rows is told that these do not come. False where the log is
        not there to do it by: then all of the dataflow goes back to its last commit, to try again.
        """
        try:
            for query_id in query_ids:
                if not flow.dataflow.queries[query_id].durable:
                    self._detach(QueryFailure(query_id, away))
                    continue
                aside = self._queries.splicer.split(query_id)
                if aside.trouble != away.message:
                    LOGGER.warning("query %s waits: %s", query_id, away.message)
                aside.paused, aside.trouble = False, away.message
                aside.retry_at = clock.monotonic() + REGISTRY_S
        except LogUnavailable as trouble:
            LOGGER.warning("could not hold a query back, will try again: %s", trouble.message)
            flow.dataflow.inputs.rewind(flow.seen, flow.reached)
            pause(1)
            return False
        return True
