"""The connector's configuration agrees with the tables, the publication and the topics, and holds no secret."""

from __future__ import annotations

import re

import pytest

from nova_feed.capture.connector import MESSAGE_KEYS, NOT_CAPTURED, PREFIX, PUBLICATION, connector_config
from nova_feed.capture.migrate import migrations
from nova_feed.topics import ALL, CDC_TABLES, HEARTBEAT_TABLE, HIDDEN_TABLE

URL = "postgresql://nova%40app:tr0ub4dor@db.example:6432/app"
CAPTURED = {*CDC_TABLES, HEARTBEAT_TABLE, HIDDEN_TABLE}


def schema() -> str:
    return "\n".join(sql for _, _, sql in migrations())


def tables_of(text: str) -> set[str]:
    return {name.strip().removeprefix("public.") for name in text.split(",")}


def test_it_says_where_postgresql_is() -> None:
    config = connector_config(URL)
    parts = ("database.hostname", "database.port", "database.user", "database.dbname")
    assert [config[part] for part in parts] == ["db.example", "6432", "nova@app", "app"]


def test_a_url_that_says_little_gets_postgresqls_own_defaults() -> None:
    config = connector_config("postgresql:///")
    parts = ("database.hostname", "database.port", "database.user", "database.dbname")
    assert [config[part] for part in parts] == ["localhost", "5432", "postgres", "postgres"]


def test_no_password_is_in_it() -> None:
    assert "tr0ub4dor" not in str(connector_config(URL))
    assert connector_config(URL)["database.password"] == "${env:NOVA_CDC_PASSWORD}"


def test_the_same_url_gives_the_same_configuration_with_no_value_empty() -> None:
    assert connector_config(URL) == connector_config(URL)
    assert all(connector_config(URL).values())


def test_it_reads_the_captured_tables_the_heartbeat_and_what_is_hidden_and_no_other() -> None:
    assert tables_of(connector_config(URL)["table.include.list"]) == CAPTURED


def test_the_publication_holds_the_same_tables() -> None:
    [listed] = re.findall(rf"CREATE PUBLICATION {PUBLICATION} FOR TABLE ([^;]+);", schema())
    added = re.findall(rf"ALTER PUBLICATION {PUBLICATION} ADD TABLE (\w+);", schema())
    assert tables_of(",".join([listed, *added])) == CAPTURED


def test_every_record_lands_in_a_topic_of_the_table() -> None:
    config = connector_config(URL)
    route = re.compile(config["transforms.route.regex"])
    named = {route.sub(rf"{PREFIX}.\1", f"{PREFIX}.public.{table}") for table in CAPTURED}
    assert config["transforms.route.replacement"] == f"{PREFIX}.$1"
    assert named < {topic.name for topic in ALL}


@pytest.mark.parametrize("column", NOT_CAPTURED)
def test_a_column_that_is_left_out_is_one_that_exists(column: str) -> None:
    _, table, name = column.split(".")
    [body] = re.findall(rf"CREATE TABLE IF NOT EXISTS {table} \((.*?)\n\);", schema(), re.DOTALL)
    assert re.search(rf"^\s*{name}\s", body, re.MULTILINE)


def test_a_table_with_a_key_of_its_own_writes_the_whole_old_row() -> None:
    for part in MESSAGE_KEYS.split(";"):
        table = part.partition(":")[0].removeprefix("public.")
        assert f"ALTER TABLE {table} REPLICA IDENTITY FULL" in schema()
