"""SHOW and DESCRIBE: entities in the shapes of ksqlDB's API, with what there really is."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyarrow as pa

from ssql.errors import ConfigError, FunctionNotFound, SourceNotFound, UnknownSetting
from ssql.log.api import RECORD_SCHEMA
from tests.engine.conftest import Bench

SOURCE = "CREATE STREAM s (id INT KEY, v STRING) WITH (kafka_topic='s', value_format='JSON', partitions=2);"
COUNTS = "CREATE TABLE counts AS SELECT v, COUNT(*) AS c FROM s WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY v;"


def test_streams_and_tables(bench: Bench) -> None:
    bench.run(SOURCE + COUNTS)
    streams = bench.one("SHOW STREAMS;")
    assert streams["@type"] == "streams"
    assert [s["name"] for s in streams["streams"]] == ["SSQL_ERRORS", "SSQL_LATE", "S"]
    assert bench.one("LIST TABLES;")["tables"] == [
        {
            "type": "TABLE",
            "name": "COUNTS",
            "topic": "COUNTS",
            "keyFormat": "KAFKA",
            "valueFormat": "JSON",
            "isWindowed": True,
        }
    ]
    extended = bench.one("SHOW STREAMS EXTENDED;")
    assert extended["@type"] == "source_descriptions"
    assert extended["sourceDescriptions"][2]["partitions"] == 2


def test_topics_leave_out_our_own(bench: Bench) -> None:
    bench.run(SOURCE)
    topics = bench.one("SHOW TOPICS;")
    assert topics["@type"] == "kafka_topics"
    assert topics["topics"] == [{"name": "s", "replicaInfo": [1, 1]}]
    names = [t["name"] for t in bench.one("SHOW ALL TOPICS EXTENDED;")["topics"]]
    assert "_ssql_default__command_topic" in names


def test_topics_that_are_hidden(make: Callable[..., Bench]) -> None:
    bench = make(**{"ksql.hidden.topics": "s.*,connect-status"})
    bench.run(SOURCE + SOURCE.replace("STREAM s", "STREAM o").replace("'s'", "'open'"))
    assert [t["name"] for t in bench.one("SHOW TOPICS;")["topics"]] == ["open"]
    assert {"s", "open"} < {t["name"] for t in bench.one("SHOW ALL TOPICS;")["topics"]}


def test_queries(bench: Bench) -> None:
    bench.run(SOURCE + COUNTS)
    assert bench.one("SHOW QUERIES;")["queries"] == [
        {
            "queryString": COUNTS,
            "sinks": ["COUNTS"],
            "sinkKafkaTopics": ["COUNTS"],
            "id": "CTAS_COUNTS_1",
            "queryType": "PERSISTENT",
            "statusCount": {"RUNNING": 1},
            "state": "RUNNING",
        }
    ]
    described = bench.one("SHOW QUERIES EXTENDED;")["queryDescriptions"]
    assert described[0]["windowType"] == "TUMBLING"


def test_describe(bench: Bench) -> None:
    bench.run(SOURCE + COUNTS)
    plain = bench.one("DESCRIBE s;")["sourceDescription"]
    assert plain["fields"] == [
        {
            "name": "ID",
            "schema": {"type": "INTEGER", "fields": None, "memberSchema": None},
            "type": "KEY",
            "fieldType": "KEY",
        },
        {"name": "V", "schema": {"type": "STRING", "fields": None, "memberSchema": None}},
    ]
    assert [q["id"] for q in plain["readQueries"]] == ["CTAS_COUNTS_1"]
    assert plain["writeQueries"] == []
    assert plain["statement"] == SOURCE
    assert (plain["extended"], plain["partitions"], plain["statistics"]) == (False, 0, "")
    counts = bench.one("DESCRIBE counts;")["sourceDescription"]
    assert counts["windowType"] == "TUMBLING"
    assert [q["id"] for q in counts["writeQueries"]] == ["CTAS_COUNTS_1"]


def test_describe_extended_counts_records_and_offsets(bench: Bench) -> None:
    bench.run(SOURCE + COUNTS)
    before = bench.one("DESCRIBE s EXTENDED;")["sourceDescription"]
    assert (before["statistics"], before["errorStats"], before["clusterStatistics"]) == ("", "", [])
    bench.engine.insert("s", [{"id": 1, "v": "a"}, {"id": 1, "v": "b"}])
    bench.settle()
    described = bench.one("DESCRIBE s EXTENDED;")["sourceDescription"]
    assert described["partitions"] == 2
    assert re.fullmatch(
        r"consumer-messages-per-sec: +[\d.]+ consumer-total-messages: +2 consumer-total-bytes: +26 +"
        r"last-message: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
        described["statistics"],
    )
    total = described["clusterStatistics"][1]
    assert (total["name"], total["host"], total["value"]) == ("consumer-total-messages", "127.0.0.1:8088", 2.0)
    assert total["timestamp"] > 1_700_000_000_000
    (summary,) = described["queryOffsetSummaries"][0]["topicSummaries"]
    assert summary["kafkaTopic"] == "s"
    assert sum(o["consumerOffset"] for o in summary["offsets"]) == 2
    assert all(o["consumerOffset"] == o["logEndOffset"] for o in summary["offsets"])
    counts = bench.one("DESCRIBE counts EXTENDED;")["sourceDescription"]
    assert re.match(
        r"messages-per-sec: +[\d.]+ +total-messages: +2 +total-bytes: +\d+ +last-message", counts["statistics"]
    )


def test_what_a_derived_stream_passes_on_is_written_and_read(bench: Bench) -> None:
    bench.run(SOURCE + "CREATE STREAM d AS SELECT * FROM s; CREATE STREAM e AS SELECT * FROM d;")
    bench.engine.insert("s", [{"id": n, "v": "a"} for n in range(5)])
    bench.settle()
    totals = {}
    for name in ("d", "e"):
        described = bench.one(f"DESCRIBE {name} EXTENDED;")["sourceDescription"]
        totals[name] = {s["name"]: s["value"] for s in described["clusterStatistics"] if s["name"].endswith("messages")}
    assert totals == {"d": {"total-messages": 5.0, "consumer-total-messages": 5.0}, "e": {"total-messages": 5.0}}


def test_records_that_cannot_be_read_are_counted(bench: Bench) -> None:
    bench.run(SOURCE + "CREATE STREAM n AS SELECT id, CAST(v AS INT) AS i FROM s;")
    bench.run("INSERT INTO s VALUES (1, '7'); INSERT INTO s VALUES (2, 'x');")
    rows = [{"key": b"\0\0\0\1", "value": b"{no", "timestamp": 1, "headers": None}]
    bench.engine._log.append("s", pa.RecordBatch.from_pylist(rows, schema=RECORD_SCHEMA), 0)
    bench.settle()
    described = bench.one("DESCRIBE s EXTENDED;")["sourceDescription"]
    assert re.match(
        r"consumer-failed-messages: +1 consumer-failed-messages-per-sec: +[\d.]+ +last-failed: 2",
        described["errorStats"],
    )
    assert described["clusterErrorStats"][0]["value"] == 1.0
    query = bench.one("EXPLAIN CSAS_N_1;")["queryDescription"]
    assert {what: found["rows"] for what, found in query["statistics"].items()} == {
        "read": 2,
        "written": 2,
        "failed": 2,
    }
    bench.reopen()
    again = bench.one("DESCRIBE s EXTENDED;")["sourceDescription"]
    assert (again["statistics"], again["errorStats"]) == ("", "")


def test_what_depends_on_a_source_is_named(bench: Bench) -> None:
    bench.run(SOURCE + COUNTS + "CREATE STREAM d AS SELECT * FROM s; INSERT INTO d SELECT * FROM s;")
    assert bench.one("DESCRIBE s;")["sourceDescription"]["sourceConstraints"] == ["COUNTS", "D"]
    assert bench.one("DESCRIBE d;")["sourceDescription"]["sourceConstraints"] == []


def test_a_query_tells_how_far_it_has_read(bench: Bench) -> None:
    bench.run(SOURCE + COUNTS)
    bench.engine.insert("s", [{"id": 1, "v": "a"}, {"id": 1, "v": "b"}])
    bench.settle()
    described = bench.one("EXPLAIN CTAS_COUNTS_1;")["queryDescription"]
    assert described["consumerGroupId"] == "default_"
    (task,) = described["tasksMetadata"]
    assert [o["topicPartitionEntity"] for o in task["topicOffsets"]] == [
        {"topic": "s", "partition": 0},
        {"topic": "s", "partition": 1},
    ]
    assert sum(o["committedOffset"] for o in task["topicOffsets"]) == 2
    assert all(o["committedOffset"] == o["endOffset"] for o in task["topicOffsets"])


def test_describe_headers_and_all_streams(bench: Bench) -> None:
    bench.run(
        "CREATE STREAM h (a ARRAY<STRUCT<key STRING, value BYTES>> HEADERS, v INT) "
        "WITH (kafka_topic='h', value_format='JSON');"
        "CREATE STREAM g (b BYTES HEADER('k'), v INT) WITH (kafka_topic='h', value_format='JSON');"
    )
    described = {d["name"]: d for d in bench.one("DESCRIBE STREAMS;")["sourceDescriptions"]}
    assert described["H"]["fields"][0]["fieldType"] == "HEADER"
    assert described["G"]["fields"][0]["headerKey"] == "k"


def test_functions(bench: Bench) -> None:
    functions = {f["name"]: f for f in bench.one("SHOW FUNCTIONS;")["functions"]}
    assert functions["COUNT"]["type"] == "AGGREGATE"
    assert functions["ABS"] == {"name": "ABS", "type": "SCALAR", "category": functions["ABS"]["category"]}
    described = bench.one("DESCRIBE FUNCTION abs;")
    assert described["name"] == "ABS"
    assert {s["returnType"] for s in described["functions"]} >= {"INTEGER", "DOUBLE"}
    error = bench.fails("DESCRIBE FUNCTION abz;")
    assert isinstance(error, FunctionNotFound)
    assert bench.marked(error) == "abz"


def test_types_and_variables(bench: Bench) -> None:
    bench.run("DEFINE a = 'x'; DEFINE B = 'y'; UNDEFINE b;")
    assert bench.one("SHOW VARIABLES;")["variables"] == [{"name": "A", "value": "x"}]
    assert bench.session.variables == {"A": "x"}


def test_properties_show_what_is_in_force(bench: Bench) -> None:
    bench.run("SET 'ksql.streams.auto.offset.reset'='latest'; SET 'ksql.output.topic.name.prefix'='p-';")
    answer = bench.one("SHOW PROPERTIES;")
    values = {p["name"]: p for p in answer["properties"]}
    assert values["auto.offset.reset"]["value"] == "latest"
    assert values["output.topic.name.prefix"]["value"] == "p-"
    assert values["batch.max.rows"]["editable"] is False
    assert "batch.max.rows" in answer["defaultProperties"]
    assert "output.topic.name.prefix" not in answer["defaultProperties"]
    assert answer["overwrittenProperties"] == ["auto.offset.reset", "output.topic.name.prefix"]
    bench.run("UNSET 'output.topic.name.prefix';")
    assert "ksql.output.topic.name.prefix" not in bench.session.properties


def test_set_knows_the_settings(bench: Bench) -> None:
    bench.run("SET 'processing.guarantee'='exactly_once_v2'; SET 'ksql.streams.commit.interval.ms'='1';")
    error = bench.fails("SET 'auto.offset.rest'='earliest';")
    assert isinstance(error, UnknownSetting)
    assert error.hint == 'Did you mean "auto.offset.reset"?'
    error = bench.fails("SET 'listen'='0.0.0.0:1';")
    assert isinstance(error, ConfigError)
    assert "belongs to the server" in error.message
    assert "listen" not in bench.session.properties


def test_the_prefix_of_topics_is_taken_from_the_session(bench: Bench) -> None:
    bench.run(SOURCE + "SET 'ksql.output.topic.name.prefix'='p-';" + COUNTS)
    assert bench.one("SHOW TABLES;")["tables"][0]["topic"] == "p-COUNTS"


def test_what_is_not_there(bench: Bench) -> None:
    assert isinstance(bench.fails("DESCRIBE nope;"), SourceNotFound)


def test_info_and_health(bench: Bench) -> None:
    info = bench.engine.info()
    assert info["serverStatus"] == "RUNNING"
    assert info["ksqlServiceId"] == "default_"
    assert bench.engine.health()["isHealthy"] is True
    assert bench.engine.health()["serverState"] == "RUNNING"
