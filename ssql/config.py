"""Every setting, declared once.

One entry gives the key of the configuration file, the environment variable (`SSQL_` + upper case, dots as `_`),
SET and SHOW PROPERTIES, the documentation row and the check on unknown keys. Code receives a frozen `Config`;
nothing reads a global. Units are part of the type: `_ms` values are milliseconds, `_bytes` values bytes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ssql.errors import ConfigError, UnknownSetting

T = TypeVar("T")


def _boolean(text: str) -> bool:
    if text.strip().lower() in ("true", "yes", "on", "1"):
        return True
    if text.strip().lower() in ("false", "no", "off", "0"):
        return False
    raise ValueError("expected true or false")


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One setting: its key, default, parser and one line of documentation."""

    key: str
    default: T
    doc: str
    parse: Callable[[str], T]
    #: ksqlDB's names for the same thing, accepted wherever the key is.
    aliases: tuple[str, ...] = ()
    #: may a client SET it for one request or session
    per_query: bool = False
    #: a password or the like: never shown
    secret: bool = False

    @property
    def environment(self) -> str:
        return "SSQL_" + self.key.upper().replace(".", "_").replace("-", "_")


SETTINGS: dict[str, Setting[Any]] = {}


def setting(
    key: str,
    default: T,
    doc: str,
    *,
    parse: Callable[[str], T],
    aliases: tuple[str, ...] = (),
    per_query: bool = False,
    secret: bool = False,
) -> Setting[T]:
    """Declare a setting; a second declaration of a key is refused."""
    if key in SETTINGS:
        raise ValueError(f"setting {key} is declared twice")
    entry = Setting(key, default, doc, parse, aliases, per_query, secret)
    SETTINGS[key] = entry
    return entry


def _patterns(text: str) -> str:
    for pattern in filter(None, text.split(",")):
        try:
            re.compile(pattern)
        except re.error as bad:
            raise ValueError(f'"{pattern}" is no regular expression ({bad})') from None
    return text


#: What belongs to Kafka, its Connect and its registry, as ksqlDB has it.
_SYSTEM_TOPICS = (
    "_confluent.*,__confluent.*,_schemas,__consumer_offsets,__transaction_state,connect-configs,connect-offsets,"
    "connect-status,connect-statuses"
)


def matches(patterns: str, name: str) -> bool:
    """Whether one of these regular expressions, separated by commas, is the whole of a name."""
    return any(re.fullmatch(pattern, name) for pattern in filter(None, patterns.split(",")))


def _offset_reset(text: str) -> str:
    if text.lower() not in ("earliest", "latest"):
        raise ValueError("expected earliest or latest")
    return text.lower()


def _compatibility(text: str) -> str:
    if text.lower() not in ("backward", "none"):
        raise ValueError("expected backward or none")
    return text.lower()


LISTEN = setting(
    "listen", "127.0.0.1:8088", "Address and port that the server listens on.", parse=str, aliases=("listeners",)
)
QUERIES_FILE = setting(
    "queries.file",
    "",
    "File of statements that a server carries out as it starts; its clients may then change no definitions.",
    parse=str,
    aliases=("ksql.queries.file",),
)
TLS_CERTIFICATE = setting(
    "tls.certificate",
    "",
    "PEM file of the server's certificate and its chain; with it the server speaks TLS.",
    parse=str,
)
TLS_KEY = setting("tls.key", "", "PEM file with the certificate's private key (empty: in the same file).", parse=str)
AUTH_FILE = setting(
    "auth.file", "", "TOML file of users and API keys with their rights; without one everybody may do all.", parse=str
)
DATA_DIR = setting("data.dir", "ssql-data", "Directory of the embedded log.", parse=str)
KAFKA_BOOTSTRAP = setting(
    "bootstrap.servers", "", "Kafka brokers; when empty the embedded log is used.", parse=str, aliases=("kafka",)
)
KAFKA_CONNECT_TIMEOUT_MS = setting(
    "bootstrap.timeout.ms", 8_000, "How long (ms) the first answer of Kafka is waited for.", parse=int
)
SERVICE_ID = setting(
    "service.id",
    "default_",
    "Names this installation; prefix of its internal topics.",
    parse=str,
    aliases=("ksql.service.id",),
)


def _niceness(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 19:
        raise ValueError("expected a number from 0 to 19")
    return value


BATCH_MAX_ROWS = setting(
    "batch.max.rows",
    65536,
    "An epoch takes at most this many rows (1: every row shows its own effect).",
    parse=int,
)
BATCH_MAX_MS = setting(
    "batch.max.ms",
    0,
    "How long (ms) an epoch waits for more rows after its first (0: not at all).",
    parse=int,
)
WORKER_NICENESS = setting(
    "worker.niceness",
    0,
    "How far the thread that moves queries gives way to requests and other programs (0 to 19, Linux): with 5, answers "
    "stay quick while a backlog takes all of the processor, and it takes longer.",
    parse=_niceness,
)
AUTO_OFFSET_RESET = setting(
    "auto.offset.reset",
    "latest",
    "Where a new query starts to read: earliest or latest.",
    parse=_offset_reset,
    aliases=("ksql.streams.auto.offset.reset",),
    per_query=True,
)
KEY_FORMAT = setting(
    "persistence.default.format.key",
    "KAFKA",
    "Key format where KEY_FORMAT is not given.",
    parse=str.upper,
    aliases=("ksql.persistence.default.format.key",),
    per_query=True,
)
VALUE_FORMAT = setting(
    "persistence.default.format.value",
    "",
    "Value format where VALUE_FORMAT is not given (empty: none).",
    parse=str.upper,
    aliases=("ksql.persistence.default.format.value",),
    per_query=True,
)
WRAP_SINGLE_VALUES: Setting[bool | None] = setting(
    "persistence.wrap.single.values",
    None,
    "How a single value column is held where WRAP_SINGLE_VALUE is not given: true is inside a record, false is bare "
    "(empty: as its format does by default).",
    parse=lambda text: _boolean(text) if text else None,
    aliases=("ksql.persistence.wrap.single.values",),
    per_query=True,
)
FAIL_ON_BAD_RECORD = setting(
    "fail.on.deserialization.error",
    False,
    "A query fails at a record that it cannot read; else the record goes to SSQL_ERRORS.",
    parse=_boolean,
    aliases=("ksql.fail.on.deserialization.error",),
    per_query=True,
)
FAIL_ON_BAD_TIMESTAMP = setting(
    "timestamp.throw.on.invalid",
    False,
    "A query fails at a record whose TIMESTAMP column gives no time; else the record goes to SSQL_ERRORS.",
    parse=_boolean,
    aliases=("ksql.timestamp.throw.on.invalid",),
    per_query=True,
)
DEFAULT_PARTITIONS = setting(
    "topic.default.partitions", 1, "Partitions of a topic that is created without PARTITIONS.", parse=int
)
OUTPUT_TOPIC_PREFIX = setting(
    "output.topic.name.prefix",
    "",
    "Prefix of topics that C*AS creates.",
    parse=str,
    aliases=("ksql.output.topic.name.prefix",),
    per_query=True,
)
PULL_QUERY_MAX_ROWS = setting(
    "query.pull.max.rows", 0, "Most rows that one pull query answers (0: no limit).", parse=int, per_query=True
)
PULL_WAIT_MS = setting(
    "query.pull.wait.ms",
    1000,
    "How long (ms) after an INSERT or a new query pull queries wait for it, to show it (0: not at all).",
    parse=int,
)
PULL_TIMEOUT_S = setting(
    "query.pull.timeout.seconds",
    300,
    "How long (s) a query in full SQL may take before it is ended (0: no limit).",
    parse=int,
)
PULL_MEMORY_BYTES = setting(
    "query.pull.memory.bytes",
    1 << 30,
    "Memory (bytes) that all queries in full SQL compute with at one time; what is more goes to temporary files. An "
    "answer's rows take no more either.",
    parse=int,
)
FILES_DIRECTORY = setting(
    "files.directory",
    "",
    "Directory whose files (Parquet, CSV, JSON) queries in full SQL may read (empty: none). The command's own engine "
    "takes the directory that it is started in.",
    parse=str,
)
PULL_TABLE_SCAN = setting(
    "query.pull.table.scan.enabled",
    True,
    "Whether a pull query may read a whole table; if not, its WHERE clause must name keys.",
    parse=_boolean,
    aliases=("ksql.query.pull.table.scan.enabled",),
    per_query=True,
)
PULL_RANGE_SCAN = setting(
    "query.pull.range.scan.enabled",
    True,
    "Whether a range of a text key is enough where table scans are switched off.",
    parse=_boolean,
    aliases=("ksql.query.pull.range.scan.enabled",),
    per_query=True,
)
SQL_EXTENSIONS = setting(
    "sql.extensions",
    False,
    "Take what ksqlDB refuses although it has a clear meaning: MIN over a table, a source joined with itself, ...",
    parse=_boolean,
    per_query=True,
)
KEYS_OPTIONAL = setting(
    "query.keys.optional",
    False,
    "A stream's query need not select the key columns; its result then has no key.",
    parse=_boolean,
    aliases=("ksql.new.query.planner.enabled",),
    per_query=True,
)
COLLECT_LIST_LIMIT = setting(
    "functions.collect_list.limit",
    -1,
    "Most values that COLLECT_LIST keeps of a group (below 0: all).",
    parse=int,
    aliases=("ksql.functions.collect_list.limit",),
    per_query=True,
)
COLLECT_SET_LIMIT = setting(
    "functions.collect_set.limit",
    -1,
    "Most values that COLLECT_SET keeps of a group (below 0: all).",
    parse=int,
    aliases=("ksql.functions.collect_set.limit",),
    per_query=True,
)
MAX_PUSH_QUERIES = setting(
    "max.push.queries", 1000, "Most push queries at one time.", parse=int, aliases=("ksql.max.push.queries",)
)
PUSH_V2 = setting(
    "query.push.v2.enabled",
    False,
    "Whether a push query from the latest over what one query fills is one of ksqlDB's scalable push queries: it gives "
    "what comes from then on, without rows that have no key and without deletions.",
    parse=_boolean,
    aliases=("ksql.query.push.v2.enabled",),
    per_query=True,
)
PUSH_BUFFER_BYTES = setting(
    "query.push.buffer.bytes",
    16 << 20,
    "How much of its last changes (bytes) a query that is followed keeps for its readers. Who is further behind reads "
    "on from the log.",
    parse=int,
)
IDLE_TIMEOUT_S = setting(
    "idle.connection.timeout.seconds",
    86_400,
    "How long (s) a client may take nothing of what is sent to it before its connection is closed.",
    parse=int,
    aliases=("ksql.idle.connection.timeout.seconds",),
)
REQUEST_TIMEOUT_S = setting(
    "request.timeout.seconds",
    60,
    "How long (s) a client may take for the head of a request, or keep a connection without one; and for a body, with "
    "a second more for every 16 KiB of it.",
    parse=int,
)
MAX_CONNECTIONS = setting(
    "max.connections",
    10_000,
    "Most connections at one time; who comes then is answered with 503.",
    parse=int,
)
ALLOW_ORIGIN = setting(
    "access.control.allow.origin",
    "",
    "Origins whose pages may call the server from a browser, separated by commas; * stands for any text (empty: none).",
    parse=str,
)
ALLOW_METHODS = setting(
    "access.control.allow.methods",
    "GET,POST,HEAD",
    "Methods that such pages may use, separated by commas.",
    parse=str,
)
ALLOW_HEADERS = setting(
    "access.control.allow.headers",
    "X-Requested-With,Content-Type,Accept,Origin,Authorization,Last-Event-ID",
    "Headers that such pages may send, separated by commas.",
    parse=str,
)
HEARTBEAT_S = setting(
    "subscribe.heartbeat.seconds",
    15,
    "After how long (s) without rows a subscriber is told that its connection lives.",
    parse=int,
)
INSERT_VALUES_ENABLED = setting(
    "insert.into.values.enabled",
    True,
    "Whether clients may append rows with INSERT INTO ... VALUES.",
    parse=_boolean,
    aliases=("ksql.insert.into.values.enabled",),
)
HIDDEN_TOPICS = setting(
    "hidden.topics",
    _SYSTEM_TOPICS,
    "Topics that SHOW TOPICS leaves out without ALL: regular expressions, separated by commas.",
    parse=_patterns,
    aliases=("ksql.hidden.topics",),
)
READONLY_TOPICS = setting(
    "readonly.topics",
    _SYSTEM_TOPICS,
    "Topics that clients may not append to: regular expressions, separated by commas.",
    parse=_patterns,
    aliases=("ksql.readonly.topics",),
)
VARIABLE_SUBSTITUTION = setting(
    "variable.substitution.enable",
    True,
    "Whether ${name} in a statement stands for the value of a variable.",
    parse=_boolean,
    aliases=("ksql.variable.substitution.enable",),
    per_query=True,
)
ASSERT_TOPIC_TIMEOUT_MS = setting(
    "assert.topic.default.timeout.ms",
    1000,
    "How long (ms) ASSERT TOPIC waits without a TIMEOUT of its own.",
    parse=int,
    aliases=("ksql.assert.topic.default.timeout.ms",),
    per_query=True,
)
ASSERT_SCHEMA_TIMEOUT_MS = setting(
    "assert.schema.default.timeout.ms",
    1000,
    "How long (ms) ASSERT SCHEMA waits without a TIMEOUT of its own.",
    parse=int,
    aliases=("ksql.assert.schema.default.timeout.ms",),
    per_query=True,
)

KAFKA_PROTOCOL = setting(
    "security.protocol",
    "",
    "How Kafka is spoken to: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.",
    parse=str,
    aliases=("ksql.streams.security.protocol",),
)
KAFKA_SASL_MECHANISM = setting(
    "sasl.mechanism",
    "",
    "How we prove to Kafka who we are: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512.",
    parse=str,
    aliases=("sasl.mechanisms", "ksql.streams.sasl.mechanism"),
)
KAFKA_SASL_USERNAME = setting("sasl.username", "", "Our name to Kafka.", parse=str)
KAFKA_SASL_PASSWORD = setting("sasl.password", "", "Our password to Kafka.", parse=str, secret=True)
KAFKA_SASL_JAAS = setting(
    "sasl.jaas.config",
    "",
    "Name and password in the form of Java's clients.",
    parse=str,
    aliases=("ksql.streams.sasl.jaas.config",),
    secret=True,
)
KAFKA_SSL_CA = setting("ssl.ca.location", "", "Certificates (PEM) that Kafka's brokers are checked against.", parse=str)
KAFKA_SSL_CERTIFICATE = setting("ssl.certificate.location", "", "Our certificate (PEM) for Kafka.", parse=str)
KAFKA_SSL_KEY = setting("ssl.key.location", "", "The key (PEM) of our certificate for Kafka.", parse=str)
KAFKA_SSL_KEY_PASSWORD = setting("ssl.key.password", "", "The password of that key.", parse=str, secret=True)
KAFKA_SSL_KEYSTORE = setting(
    "ssl.keystore.location",
    "",
    "Our certificate and key for Kafka in one file (PKCS#12).",
    parse=str,
    aliases=("ksql.streams.ssl.keystore.location",),
)
KAFKA_SSL_KEYSTORE_PASSWORD = setting(
    "ssl.keystore.password",
    "",
    "The password of that file.",
    parse=str,
    aliases=("ksql.streams.ssl.keystore.password",),
    secret=True,
)
KAFKA_SSL_HOST_CHECK = setting(
    "ssl.endpoint.identification.algorithm",
    "https",
    "Whether a broker's certificate must be for its host: https, or empty for no check.",
    parse=lambda text: "" if text.strip().lower() == "none" else text.strip(),
    aliases=("ksql.streams.ssl.endpoint.identification.algorithm",),
)
KAFKA_OPTIONS = setting(
    "kafka.client.options",
    "",
    "Other settings of librdkafka, as name=value, name=value.",
    parse=str,
    secret=True,
)

SCHEMA_REGISTRY_URL = setting(
    "schema.registry.url",
    "",
    "A schema registry's URLs, separated by commas; when empty, schemas are kept in the log.",
    parse=str,
    aliases=("ksql.schema.registry.url",),
)
SCHEMA_REGISTRY_COMPATIBILITY = setting(
    "schema.registry.compatibility",
    "backward",
    "Whether a schema in the log must read what the one before it wrote: backward, or none (registries elsewhere have "
    "rules of their own).",
    parse=_compatibility,
)
SCHEMA_REGISTRY_USER = setting(
    "schema.registry.basic.auth.user.info",
    "",
    "User and password for the schema registry, as user:password.",
    parse=str,
    aliases=("ksql.schema.registry.basic.auth.user.info",),
    secret=True,
)
SCHEMA_REGISTRY_CA = setting(
    "schema.registry.ssl.ca.location", "", "Certificates (PEM) that the schema registry is checked against.", parse=str
)
SCHEMA_REGISTRY_CERTIFICATE = setting(
    "schema.registry.ssl.certificate.location", "", "Our certificate (PEM) for the schema registry.", parse=str
)
SCHEMA_REGISTRY_KEY = setting(
    "schema.registry.ssl.key.location", "", "The key (PEM) of our certificate for the schema registry.", parse=str
)
SCHEMA_REGISTRY_KEY_PASSWORD = setting(
    "schema.registry.ssl.key.password", "", "The password of that key.", parse=str, secret=True
)

CONNECT_URL = setting(
    "connect.url",
    "",
    "Address of Kafka Connect, for connectors (empty: none).",
    parse=str,
    aliases=("ksql.connect.url",),
)
CONNECT_USER = setting(
    "connect.basic.auth.user.info",
    "",
    "User and password for Kafka Connect, as user:password.",
    parse=str,
    aliases=("ksql.connect.basic.auth.user.info",),
    secret=True,
)
CONNECT_TIMEOUT_MS = setting(
    "connect.request.timeout.ms",
    5000,
    "How long (ms) Kafka Connect may take to answer.",
    parse=int,
    aliases=("ksql.connect.request.timeout.ms",),
)


def _log_format(text: str) -> str:
    if text.lower() not in ("text", "json"):
        raise ValueError("expected text or json")
    return text.lower()


def _ratio(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError("expected a number from 0 to 1")
    return value


LOG_FORMAT = setting("log.format", "text", "Lines of the log: text for people, json for machines.", parse=_log_format)
OTEL_ENDPOINT = setting(
    "otel.traces.endpoint",
    "",
    "Where traces go: an OTLP receiver (HTTP), as http://localhost:4318; empty: nowhere. Needs the extra ssql[otel].",
    parse=str,
)
OTEL_RATIO = setting(
    "otel.traces.ratio",
    1.0,
    "The part of requests (0 to 1) that are traced, where their callers do not say.",
    parse=_ratio,
)


#: What ksqlDB's files say in another way: how their names begin, and what takes their place.
_INSTEAD = {
    "ssl.truststore.": 'Use "ssl.ca.location", a PEM file: Java\'s key stores are not read.',
    "schema.registry.ssl.truststore.": 'Use "schema.registry.ssl.ca.location", a PEM file.',
    "schema.registry.ssl.keystore.": 'Use "schema.registry.ssl.certificate.location", a PEM file.',
    "authentication.": 'Use "auth.file", a file of users and API keys that "ssql auth" makes.',
}


def instead_of(key: str) -> str | None:
    """What to use in the place of a key that ksqlDB has and ssql has in another way; None for all others."""
    bare = key.removeprefix("ksql.").removeprefix("streams.")
    return next((hint for start, hint in _INSTEAD.items() if bare.startswith(start)), None)


def lookup(key: str) -> Setting[Any] | None:
    """The setting of that key or alias, or None."""
    found = SETTINGS.get(key)
    if found is not None:
        return found
    return next((s for s in SETTINGS.values() if key in s.aliases), None)


@dataclass(frozen=True)
class Config:
    """Frozen values of all settings; `config[BATCH_MAX_ROWS]` reads one."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, entry: Setting[T]) -> T:
        value: T = self.values.get(entry.key, entry.default)
        return value

    def with_values(self, overrides: Mapping[str, object]) -> Config:
        """A copy in which `overrides` (keys or aliases, text or typed values) are set.

        Raises:
            UnknownSetting: for a key that is no setting, with the nearest name as a hint.
            ConfigError: for a value that does not parse.
        """
        merged = dict(self.values)
        for key, value in overrides.items():
            entry = lookup(key)
            if entry is None:
                names = [n for s in SETTINGS.values() for n in (s.key, *s.aliases)]
                raise UnknownSetting(key, candidates=names, instead=instead_of(key))
            if isinstance(value, bool):
                value = "true" if value else "false"  # noqa: PLW2901
            try:
                merged[entry.key] = entry.parse(str(value))
            except ValueError as bad:
                why = "expected a whole number" if entry.parse is int else bad
                raise ConfigError(f'setting "{key}" cannot be "{value}": {why}') from None
        return Config(merged)


def from_environment(environ: Mapping[str, str] = os.environ) -> Config:
    """The defaults, overridden by `SSQL_...` variables."""
    found = {s.key: environ[s.environment] for s in SETTINGS.values() if s.environment in environ}
    return Config().with_values(found)
