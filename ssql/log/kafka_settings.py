"""From our settings to librdkafka's: how clients prove who they are, and what they trust.

Java's clients, and so ksqlDB's file of settings, name a user in a line of JAAS and keep certificates in Java's stores;
librdkafka has names, and PEM or PKCS#12 files. What can be said in both is read in either form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ssql import config as settings
from ssql.config import Config
from ssql.errors import ConfigError

#: Ours -> librdkafka's, where a value is handed on as it is.
_AS_IT_IS: Mapping[settings.Setting[str], str] = {
    settings.KAFKA_PROTOCOL: "security.protocol",
    settings.KAFKA_SASL_MECHANISM: "sasl.mechanism",
    settings.KAFKA_SASL_USERNAME: "sasl.username",
    settings.KAFKA_SASL_PASSWORD: "sasl.password",
    settings.KAFKA_SSL_CA: "ssl.ca.location",
    settings.KAFKA_SSL_CERTIFICATE: "ssl.certificate.location",
    settings.KAFKA_SSL_KEY: "ssl.key.location",
    settings.KAFKA_SSL_KEY_PASSWORD: "ssl.key.password",
    settings.KAFKA_SSL_KEYSTORE: "ssl.keystore.location",
    settings.KAFKA_SSL_KEYSTORE_PASSWORD: "ssl.keystore.password",
}
_JAAS = re.compile(r"""(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""")


def client_settings(config: Config) -> dict[str, str]:
    """librdkafka's settings for all clients of one `Config`.

    Raises:
        ConfigError: a value cannot be used.
    """
    found = {theirs: config[ours] for ours, theirs in _AS_IT_IS.items() if config[ours]}
    if config[settings.KAFKA_SASL_JAAS]:
        found = {**_user_of(config[settings.KAFKA_SASL_JAAS]), **found}
    # Java writes "" for no check, librdkafka "none"; both check by default.
    if not config[settings.KAFKA_SSL_HOST_CHECK]:
        found["ssl.endpoint.identification.algorithm"] = "none"
    for option in filter(None, (part.strip() for part in config[settings.KAFKA_OPTIONS].split(","))):
        name, equals, value = option.partition("=")
        if not equals:
            raise ConfigError(
                f'"{option}" is no setting of librdkafka', hint="kafka.client.options is name=value, name=value."
            )
        found[name.strip()] = value.strip()
    return found


def _user_of(jaas: str) -> dict[str, str]:
    """User and password of a line as Java's clients have it: `...LoginModule required username="a" password="b";`."""
    given = {name: (double or single) for name, double, single in _JAAS.findall(jaas)}
    if not {"username", "password"} <= given.keys():
        raise ConfigError(
            "sasl.jaas.config has no username and password",
            hint="Modules with a user and a password are read (PLAIN, SCRAM); kafka.client.options takes others.",
        )
    plain = {name: re.sub(r"\\(.)", r"\1", value) for name, value in given.items()}
    return {"sasl.username": plain["username"], "sasl.password": plain["password"]}
