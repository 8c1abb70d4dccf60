"""Configuration files and what wins."""

from __future__ import annotations

from pathlib import Path

import pytest
from ssql_cli.settings import load, read_file

from ssql.config import BATCH_MAX_MS, DATA_DIR, KAFKA_BOOTSTRAP, LISTEN, SERVICE_ID
from ssql.errors import ConfigError, FileUnreadable, UnknownSetting


def test_arguments_win_over_the_file_and_the_file_over_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting in (DATA_DIR, LISTEN, SERVICE_ID):
        monkeypatch.setenv(setting.environment, "environment")
    file = tmp_path / "ssql.properties"
    file.write_text("listen=file\ndata.dir=file\n")
    config = load(str(file), data="argument")
    assert (config[DATA_DIR], config[LISTEN], config[SERVICE_ID]) == ("argument", "file", "environment")


def test_toml_tables_are_joined_with_dots(tmp_path: Path) -> None:
    file = tmp_path / "ssql.toml"
    file.write_text('listen = "0.0.0.0:1"\n[batch.max]\nms = 7\n')
    assert read_file(file) == {"listen": "0.0.0.0:1", "batch.max.ms": 7}
    assert load(str(file))[BATCH_MAX_MS] == 7


def test_properties_as_java_writes_them(tmp_path: Path) -> None:
    file = tmp_path / "ksql-server.properties"
    file.write_text(
        "# ksqlDB's names work too\n! another comment\nksql.service.id = mine_\n"
        "bootstrap.servers: a:1,\\\n    b:2\n\nlisten x\n"
    )
    config = load(str(file))
    assert (config[SERVICE_ID], config[KAFKA_BOOTSTRAP], config[LISTEN]) == ("mine_", "a:1,b:2", "x")


def test_settings_of_ksqldb_that_change_nothing_here_are_told_and_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ksql-server.properties"
    file.write_text("ksql.service.id=mine_\nksql.streams.num.stream.threads=4\nksql.streams.producer.linger.ms=5\n")
    assert load(str(file))[SERVICE_ID] == "mine_"
    assert capsys.readouterr().err == (
        f"of {file}, these settings have no effect: ksql.streams.num.stream.threads, ksql.streams.producer.linger.ms\n"
    )
    file.write_text("authentication.method=BASIC\n")
    with pytest.raises(UnknownSetting):
        load(str(file))


def test_an_unknown_key_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    file = tmp_path / "ssql.toml"
    file.write_text("[batch]\nmax.row = 7\n")
    with pytest.raises(UnknownSetting) as refused:
        load(str(file))
    assert refused.value.render() == (
        'error: unknown setting "batch.max.row"  [unknown_setting]\nHINT: Did you mean "batch.max.rows"?'
    )


@pytest.mark.parametrize(
    ("key", "instead"),
    [
        ("ssl.truststore.location", "ssl.ca.location"),
        ("ksql.schema.registry.ssl.truststore.password", "schema.registry.ssl.ca.location"),
        ("authentication.method", "auth.file"),
    ],
)
def test_what_ksqldb_says_in_another_way_is_refused_with_what_takes_its_place(
    tmp_path: Path, key: str, instead: str
) -> None:
    file = tmp_path / "ksql-server.properties"
    file.write_text(f"{key}=x\n")
    with pytest.raises(UnknownSetting) as refused:
        load(str(file))
    assert f'Use "{instead}"' in str(refused.value.hint)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match=r'could not read ".*none.toml": no such file or directory'):
        load(str(tmp_path / "none.toml"))
    (tmp_path / "bytes.properties").write_bytes(b"listen=\xff")
    with pytest.raises(FileUnreadable, match="not UTF-8"):
        load(str(tmp_path / "bytes.properties"))
    (tmp_path / "bad.toml").write_text("listen")
    with pytest.raises(ConfigError, match="no valid TOML"):
        load(str(tmp_path / "bad.toml"))
