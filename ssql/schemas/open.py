"""Opens the schema registry that the configuration names: one elsewhere, else the one in the log."""

from __future__ import annotations

from ssql.config import (
    SCHEMA_REGISTRY_CA,
    SCHEMA_REGISTRY_CERTIFICATE,
    SCHEMA_REGISTRY_COMPATIBILITY,
    SCHEMA_REGISTRY_KEY,
    SCHEMA_REGISTRY_KEY_PASSWORD,
    SCHEMA_REGISTRY_URL,
    SCHEMA_REGISTRY_USER,
    SERVICE_ID,
    Config,
)
from ssql.log.api import Log
from ssql.schemas.api import SchemaRegistry

_CLIENT = {
    "basic.auth.user.info": SCHEMA_REGISTRY_USER,
    "ssl.ca.location": SCHEMA_REGISTRY_CA,
    "ssl.certificate.location": SCHEMA_REGISTRY_CERTIFICATE,
    "ssl.key.location": SCHEMA_REGISTRY_KEY,
    "ssl.key.password": SCHEMA_REGISTRY_KEY_PASSWORD,
}


def for_worker(registry: SchemaRegistry) -> SchemaRegistry:
    """The registry as the worker asks it: one elsewhere does not hold it up."""
    from ssql.schemas.background import BackgroundRegistry
    from ssql.schemas.embedded import EmbeddedRegistry

    return registry if isinstance(registry, EmbeddedRegistry) else BackgroundRegistry(registry)


def open_registry(config: Config, log: Log) -> SchemaRegistry:
    """The registry of an installation. One elsewhere is not called yet.

    Raises:
        ConfigError: for settings of a registry elsewhere that mean nothing.
        RegistryUnavailable: where the log does not take or give the schemas.
    """
    if config[SCHEMA_REGISTRY_URL]:
        from ssql.schemas.confluent import ConfluentRegistry

        return ConfluentRegistry(config[SCHEMA_REGISTRY_URL], {name: config[entry] for name, entry in _CLIENT.items()})
    from ssql.schemas.embedded import EmbeddedRegistry

    checked = config[SCHEMA_REGISTRY_COMPATIBILITY] == "backward"
    return EmbeddedRegistry(log, config[SERVICE_ID], checked=checked)
