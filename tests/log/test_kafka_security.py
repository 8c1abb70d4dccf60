"""Kafka that asks who one is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from ssql.config import Config
from ssql.engine.api import PullResult, Session
from ssql.engine.engine import LocalEngine, open_log
from ssql.errors import ConfigError, LogError, LogRefused, SsqlError
from ssql.log.kafka_settings import client_settings
from tests.support import java, kafka_broker

CHECK = "ssl.endpoint.identification.algorithm"
MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"
JAAS = f'{MODULE} required username="ada" password="lovelace";'


class Guarded(kafka_broker.Broker):
    users: Mapping[str, str] = {"ada": "lovelace"}


@pytest.fixture(scope="module")
def broker() -> Iterator[Guarded]:
    java.need(kafka_broker.missing())
    with Guarded.running() as one:
        yield one


def settings(broker: Guarded, **values: str) -> Config:
    given = {name.replace("_", "."): value for name, value in values.items()}
    return Config().with_values({"bootstrap.servers": broker.bootstrap, **given})


@pytest.mark.slow
@pytest.mark.kafka
def test_who_has_the_password_works_as_everywhere(broker: Guarded) -> None:
    ours = settings(broker, security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN", **{"sasl.jaas.config": JAAS})
    engine = LocalEngine(ours.with_values({"auto.offset.reset": "earliest"}), open_log(ours))
    try:
        engine.execute(
            "CREATE STREAM s (k STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);"
            "CREATE TABLE t AS SELECT k, SUM(v) AS v FROM s GROUP BY k;"
        )
        engine.insert("s", [{"k": "a", "v": 1}, {"k": "a", "v": 2}])
        assert engine.caught_up(60)
        found = engine.query("SELECT v FROM t WHERE k = 'a';", Session())
        assert isinstance(found, PullResult)
        assert found.rows.to_pylist() == [{"V": 3}]
    finally:
        engine.close()


@pytest.mark.slow
@pytest.mark.kafka
def test_who_has_not_is_told_so_at_once(broker: Guarded) -> None:
    wrong = settings(
        broker, security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN", sasl_username="ada", sasl_password="no"
    )
    with pytest.raises(LogRefused, match="Authentication failed: Invalid username or password"):
        open_log(wrong)


def test_the_forms_of_java_and_of_librdkafka_say_the_same() -> None:
    java_form = Config().with_values(
        {"ksql.streams.security.protocol": "SASL_SSL", "ksql.streams.sasl.jaas.config": JAAS, "sasl.mechanism": "PLAIN"}
    )
    ours = Config().with_values(
        {
            "security.protocol": "SASL_SSL",
            "sasl.username": "ada",
            "sasl.password": "lovelace",
            "sasl.mechanisms": "PLAIN",
        }
    )
    assert (
        client_settings(java_form)
        == client_settings(ours)
        == {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "ada",
            "sasl.password": "lovelace",
        }
    )


def test_a_password_may_have_quotes() -> None:
    jaas = MODULE + r""" required username='ada' password="love\"lace";"""
    assert client_settings(Config().with_values({"sasl.jaas.config": jaas}))["sasl.password"] == 'love"lace'


def test_other_options_are_handed_on() -> None:
    found = client_settings(Config().with_values({"kafka.client.options": "linger.ms=5, debug=broker", CHECK: ""}))
    assert found == {CHECK: "none", "linger.ms": "5", "debug": "broker"}
    assert client_settings(Config()) == {}


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        ({"kafka.client.options": "nonsense"}, ConfigError, "nonsense"),
        ({"sasl.jaas.config": "Krb5LoginModule required;"}, ConfigError, "no username and password"),
    ],
)
def test_what_cannot_be_used_is_refused(values: dict[str, str], kind: type[SsqlError], said: str) -> None:
    with pytest.raises(kind, match=said):
        client_settings(Config().with_values(values))


def test_a_setting_that_librdkafka_does_not_have_is_named() -> None:
    config = Config().with_values({"bootstrap.servers": "127.0.0.1:1", "kafka.client.options": "no.such=1"})
    with pytest.raises((ConfigError, LogError), match=r"no\.such"):
        open_log(config)
