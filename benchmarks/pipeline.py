"""Rates of whole pipelines against a bare consumer of the same topic, in one run, on one core.

For each log: a bare consumer reads the JSON topic and throws it away; then ssql runs a projection with a filter, a
GROUP BY of 10,000 keys, and a stream-table join against 1,000,000 keys over the same records. Each answer is checked
against one computed from the generated columns.
"""

from __future__ import annotations

import gc
import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json as pa_json

from ssql import kernels
from ssql.config import Config
from ssql.engine.api import PullResult
from ssql.engine.engine import LocalEngine
from ssql.log.api import RECORD_SCHEMA, Log
from ssql.log.embedded import EmbeddedLog

CHUNK = 50_000


@dataclass(frozen=True)
class Orders:
    """The generated stream: columns, and JSON records of about 110 bytes keyed by customer."""

    customer: np.ndarray[Any, np.dtype[np.int64]]
    product: np.ndarray[Any, np.dtype[np.int64]]
    quantity: np.ndarray[Any, np.dtype[np.int64]]
    price: np.ndarray[Any, np.dtype[np.float64]]

    @staticmethod
    def generate(rows: int, products: int) -> Orders:
        rng = np.random.default_rng(7)
        return Orders(
            rng.integers(0, 10_000, rows),
            rng.integers(0, products, rows),
            rng.integers(1, 100, rows),
            rng.integers(100, 100_000, rows) / 100,
        )

    def records(self) -> Iterator[pa.RecordBatch]:
        for start in range(0, len(self.customer), CHUNK):
            part = slice(start, start + CHUNK)
            columns = (c[part].tolist() for c in (self.customer, self.product, self.quantity, self.price))
            rows = list(zip(*columns, strict=True))
            values = [
                b'{"CUSTOMER":"c%d","PRODUCT":%d,"QUANTITY":%d,"PRICE":%.2f,"NOTE":"left at the door, ring twice"}'
                % row
                for row in rows
            ]
            keys = [b"c%d" % row[0] for row in rows]
            yield records(keys, values, np.arange(start, start + len(rows)) + 1)


def records(keys: list[bytes], values: list[bytes], times: Any) -> pa.RecordBatch:
    headers = pa.nulls(len(keys), RECORD_SCHEMA.field("headers").type)
    arrays = [pa.array(keys, pa.binary()), pa.array(values, pa.binary()), pa.array(times, pa.int64()), headers]
    return pa.RecordBatch.from_arrays(arrays, schema=RECORD_SCHEMA)


def products(count: int) -> Iterator[pa.RecordBatch]:
    for start in range(0, count, CHUNK):
        ids = range(start, min(start + CHUNK, count))
        yield records([b"%d" % i for i in ids], [b'{"WEIGHT":%d}' % (i % 1000) for i in ids], np.ones(len(ids)))


def bare_consumer(log: Log, topic: str, rows: int) -> float:
    """Rows a second of a reader that throws away what it reads."""
    reader = log.reader()
    reader.assign(topic, 0, 0)
    reader.poll(1, 2000)  # connected, and the first fetch is under way
    seen = 1
    begin = time.perf_counter()
    while seen < rows:
        seen += sum(f.batch.num_rows for f in reader.poll(CHUNK, 1000))
    rate = (rows - 1) / (time.perf_counter() - begin)
    reader.close()
    return rate


def bare_records(log: Log, topic: str, rows: int) -> float:
    """The same, but each record is handed to the program as bytes, as consumers of other systems get them."""
    reader = log.reader()
    reader.assign(topic, 0, 0)
    seen = 0
    begin = time.perf_counter()
    while seen < rows:
        for fetch in reader.poll(CHUNK, 1000):
            seen += len(fetch.batch.column("value").to_pylist())
    reader.close()
    return rows / (time.perf_counter() - begin)


def bare_librdkafka(bootstrap: str, topic: str, rows: int) -> float:
    """A bare confluent-kafka consumer, tuned as one would for this: consume() and throw away.

    Large queues, and no garbage collection while many messages are alive: without both it is many times slower.
    """
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bare",
            "isolation.level": "read_committed",
            "check.crcs": False,
            "queued.min.messages": 500_000,
            "queued.max.messages.kbytes": 131_072,
            "fetch.queue.backoff.ms": 5,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    seen = len(consumer.consume(1, 5))
    gc.disable()
    try:
        begin = time.perf_counter()
        while seen < rows:
            seen += len(consumer.consume(1000, 0.1))
        rate = (rows - 1) / (time.perf_counter() - begin)
    finally:
        gc.enable()
    consumer.close()
    return rate


DEFINITIONS = """
CREATE STREAM orders (customer STRING KEY, product INT, quantity INT, price DOUBLE, note STRING)
  WITH (KAFKA_TOPIC='{topic}', VALUE_FORMAT='JSON');
CREATE TABLE products (id INT PRIMARY KEY, weight INT)
  WITH (KAFKA_TOPIC='{products}', KEY_FORMAT='JSON', VALUE_FORMAT='JSON');
"""

FILTER = "CREATE STREAM big AS SELECT customer, product, price * quantity AS total FROM orders WHERE quantity > 50;"
GROUP = (
    "CREATE TABLE per_customer AS SELECT customer, COUNT(*) AS n, SUM(quantity) AS items, MAX(price) AS dearest "
    "FROM orders GROUP BY customer;"
)
JOIN = (
    "CREATE STREAM weighed AS SELECT p.id AS id, o.quantity * p.weight AS load "
    "FROM orders o JOIN products p ON o.product = p.id;"
)


class Bench:
    """One log, with the generated topics in it."""

    def __init__(self, name: str, log: Log, orders: Orders, table_rows: int, kafka: str | None = None) -> None:
        self.name, self.log, self.orders, self.table_rows, self.kafka = name, log, orders, table_rows, kafka
        self.suffix = str(time.time_ns())
        self.topic, self.products = f"orders-{self.suffix}", f"products-{self.suffix}"

    def load(self) -> None:
        self.log.create_topic(self.topic)
        for batch in self.orders.records():
            self.log.append(self.topic, batch, 0)
        self.log.create_topic(self.products)
        for batch in products(self.table_rows):
            self.log.append(self.products, batch, 0)

    def run(self) -> None:
        rows = len(self.orders.customer)
        bare = bare_consumer(self.log, self.topic, rows)
        print(f"{self.name}: bare consumer, Arrow batches   {bare:12,.0f} rows/s")
        by_record = bare_records(self.log, self.topic, rows)
        print(f"{self.name}: bare consumer, record by record {by_record:12,.0f} rows/s")
        base = bare
        if self.kafka is not None:
            base = bare_librdkafka(self.kafka, self.topic, rows)
            print(f"{self.name}: bare confluent-kafka consumer  {base:12,.0f} rows/s")
        for title, aim, statement, check in (
            ("projection with filter", 0.5, FILTER, self.check_filter),
            ("GROUP BY 10,000 keys", 0.4, GROUP, self.check_group),
            (f"stream-table join, {self.table_rows:,} keys", 0.3, JOIN, self.check_join),
        ):
            rate = self.query(statement, check)
            print(
                f"{self.name}: {title:34} {rate:12,.0f} rows/s   {rate / base:5.2f} of bare (aim {aim})"
                f"   {rate / by_record:5.2f} of record by record"
            )

    def query(self, statement: str, check: Callable[[LocalEngine], None]) -> float:
        """Rows a second of a running query, from when it goes on before a full topic until it has caught up.

        As for the bare consumer, connecting is not counted, nor is reading the table of the join.
        """
        service = f"b{time.time_ns()}_"
        config = Config().with_values({"service.id": service, "auto.offset.reset": "earliest"})
        topic = f"in-{service}"
        self.log.create_topic(topic)
        with engine(config, self.log) as one:
            one.execute(DEFINITIONS.format(topic=topic, products=self.products))
            one.execute(statement.replace(" AS SELECT", f" WITH (KAFKA_TOPIC='out_{service}') AS SELECT", 1))
            assert one.caught_up(600), "did not catch up"
            one.execute("PAUSE ALL;")
            for batch in self.orders.records():
                self.log.append(topic, batch, 0)
            begin = time.perf_counter()
            one.execute("RESUME ALL;")
            assert one.caught_up(600), "did not catch up"
            took = time.perf_counter() - begin
            check(one)
        return len(self.orders.customer) / took

    def _output(self) -> str:
        return max(t.name for t in self.log.topics() if t.name.startswith("out_b"))

    def _written(self) -> pa.Table:
        """All values of the output topic, as columns."""
        topic = self._output()
        at, texts = 0, []
        end = self.log.bounds(topic, 0)[1]
        while at < end:
            fetch = self.log.read(topic, 0, at, CHUNK)
            at = fetch.next_offset
            texts += fetch.batch.column("value").to_pylist()
        return pa_json.read_json(io.BytesIO(b"\n".join(texts)))

    def check_filter(self, _: LocalEngine) -> None:
        kept = self.orders.quantity > 50
        found = self._written()
        assert np.array_equal(found["PRODUCT"].to_numpy(), self.orders.product[kept])
        assert np.allclose(found["TOTAL"].to_numpy(), (self.orders.price * self.orders.quantity)[kept])

    def check_group(self, one: LocalEngine) -> None:
        answer = one.query("SELECT * FROM per_customer;")
        assert isinstance(answer, PullResult)
        got = {r["CUSTOMER"]: (r["N"], r["ITEMS"], r["DEAREST"]) for r in answer.rows.to_pylist()}
        table = pa.table({"c": self.orders.customer, "q": self.orders.quantity, "p": self.orders.price})
        grouped = table.group_by("c").aggregate([("q", "count"), ("q", "sum"), ("p", "max")]).to_pylist()
        expected = {f"c{r['c']}": (r["q_count"], r["q_sum"], r["p_max"]) for r in grouped}
        assert got == expected

    def check_join(self, _: LocalEngine) -> None:
        load = self.orders.quantity * (self.orders.product % 1000)
        assert np.array_equal(self._written()["LOAD"].to_numpy(), load)


@contextmanager
def engine(config: Config, log: Log) -> Iterator[LocalEngine]:
    one = LocalEngine(config, _Kept(log))
    try:
        yield one
    finally:
        one.close()


class _Kept:
    """A log that engines come and go on: closing an engine leaves it open."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def close(self) -> None:
        """Left to who opened it."""


def main(rows: int = 1_000_000, table_rows: int = 1_000_000, *, with_kafka: bool = True) -> None:
    from tests.support import kafka_broker

    cores = sorted(os.sched_getaffinity(0))
    can_run_kafka = with_kafka and (kafka_broker.missing() is None or "SSQL_TEST_KAFKA" in os.environ)
    with (
        tempfile.TemporaryDirectory() as directory,
        kafka_broker.Broker.running() if can_run_kafka else nullcontext() as broker,
    ):
        os.sched_setaffinity(0, {cores[0]})
        kernels.warm_up()
        orders = Orders.generate(rows, table_rows)
        print(f"{rows:,} JSON records, one core for ssql")
        bench = Bench("embedded", EmbeddedLog(Path(directory)), orders, table_rows)
        bench.load()
        bench.run()
        if broker is not None:
            from ssql.log.kafka import KafkaLog

            bench = Bench("kafka", KafkaLog(broker.bootstrap), orders, table_rows, broker.bootstrap)
            bench.load()
            bench.run()
        elif with_kafka:
            print(f"kafka: left out, {kafka_broker.missing()}")
