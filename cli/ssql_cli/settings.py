"""The command's configuration: defaults, then environment, then file, then arguments; the later one wins.

A file is TOML (`*.toml`; tables are joined with dots) or Java properties (anything else): the keys are those of
`ssql.config`, ksqlDB's names for them too.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from ssql.config import DATA_DIR, KAFKA_BOOTSTRAP, LISTEN, Config, from_environment, lookup
from ssql.errors import ConfigError, FileUnreadable

#: Who asks a server, where neither its address nor an argument says it.
USER_VARIABLE, PASSWORD_VARIABLE = "SSQL_USER", "SSQL_PASSWORD"


def load(
    file: str | None = None, *, data: str | None = None, kafka: str | None = None, listen: str | None = None
) -> Config:
    """The configuration of one run.

    Raises:
        UnknownSetting, ConfigError: a key or value of the environment or the file is wrong.
        FileUnreadable: the file cannot be read.
    """
    config = from_environment()
    if file is not None:
        config = config.with_values(_that_count(read_file(Path(file)), file))
    given = {DATA_DIR.key: data, KAFKA_BOOTSTRAP.key: kafka, LISTEN.key: listen}
    return config.with_values({key: value for key, value in given.items() if value is not None})


def _that_count(found: Mapping[str, object], file: str) -> dict[str, object]:
    """The settings of a file without those that ksqlDB has and that change nothing here; these are told."""
    without = []
    if any(lookup(key) is None for key in found):
        from ssql.engine.session import has_no_effect

        without = [key for key in found if has_no_effect(key)]
    if without:
        print(f"of {file}, these settings have no effect: {', '.join(without)}", file=sys.stderr)
    return {key: value for key, value in found.items() if key not in without}


def read_file(path: Path) -> dict[str, object]:
    """The keys and values of a configuration file."""
    text = read_text(path)
    if path.suffix.lower() != ".toml":
        return dict(_properties(text))
    try:
        return _flat(tomllib.loads(text))
    except tomllib.TOMLDecodeError as bad:
        raise ConfigError(f'"{path}" is no valid TOML: {bad}') from None


def read_text(path: Path) -> str:
    """The text of a file that the user named.

    Raises:
        FileUnreadable: it is not there, may not be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as bad:
        raise FileUnreadable(str(path), (bad.strerror or str(bad)).lower()) from None
    except UnicodeDecodeError:
        raise FileUnreadable(str(path), "it is not UTF-8 text") from None


def _flat(table: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def _properties(text: str) -> dict[str, str]:
    """`key=value`, `key: value` or `key value` lines; `#` and `!` start comments, a last `\\` joins lines."""
    found: dict[str, str] = {}
    for line in re.sub(r"\\\r?\n[ \t]*", "", text).splitlines():
        stripped = line.strip()
        if stripped and stripped[0] not in "#!":
            key, _, value = re.sub(r"\s*[=:]\s*|\s+", "=", stripped, count=1).partition("=")
            found[key] = value
    return found


def credentials(user: str | None, password: str | None, token: str | None) -> tuple[str, str] | None:
    """The user and password that arguments give; a password that is missing is asked for.

    Raises:
        ConfigError: they do not go together.
    """
    if token is not None:
        name, colon, secret = token.partition(":")
        if user is not None or not colon:
            raise ConfigError("--token expects NAME:SECRET, and goes without --user")
        return name, secret
    if user is None:
        if password is not None:
            raise ConfigError("--password goes with --user")
        return None
    password = password if password is not None else os.environ.get(PASSWORD_VARIABLE)
    if password is None:
        if not sys.stdin.isatty():
            raise ConfigError(f"--user goes with --password, or {PASSWORD_VARIABLE} in the environment")
        password = getpass.getpass(f"password of {user}: ")
    return user, password


#: What the names of environment variables begin with that are values for `${name}`: a file reads no others.
VARIABLE_PREFIX = "SSQL_VAR_"


def variables(definitions: Sequence[str], environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a run: `SSQL_VAR_NAME=value` of the environment, then `NAME=VALUE` arguments; names ignore case.

    Raises:
        ConfigError: an argument is not NAME=VALUE.
    """
    found: dict[str, str] = {}
    for name, value in ({} if environ is None else environ).items():
        if name.startswith(VARIABLE_PREFIX) and name != VARIABLE_PREFIX:
            found[name.removeprefix(VARIABLE_PREFIX).upper()] = value
    for definition in definitions:
        name, equals, value = definition.partition("=")
        if not equals or not name.isidentifier():
            raise ConfigError(f'--define expects NAME=VALUE, not "{definition}"')
        found[name.upper() if environ is not None else name] = value
    return found
