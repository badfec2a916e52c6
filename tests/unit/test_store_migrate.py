"""ClickHouse's migrations: statements taken apart, variables filled in, and nothing that loses data."""

from __future__ import annotations

import re

import pytest

from nova_feed.store.migrate import Migration, StoreMigrationError, migrations

VARIABLES = {"KAFKA_BROKERS": "kafka:9092", "KAFKA_CONSUMERS": "1"}


def statements(sql: str) -> list[str]:
    return Migration(1, "0001_test.sql", sql).statements({"NAME": "value"})


REPEATABLE = r"\bIF NOT EXISTS\b|^CREATE OR REPLACE TABLE \w+_queue |^ALTER TABLE \w+ MODIFY SETTING "


def test_numbers_follow_each_other_from_one() -> None:
    assert [migration.number for migration in migrations()] == list(range(1, len(migrations()) + 1))


@pytest.mark.parametrize("migration", migrations(), ids=lambda migration: migration.name)
def test_every_statement_can_be_run_twice(migration: Migration) -> None:
    for statement in migration.statements(VARIABLES):
        assert re.search(REPEATABLE, statement, re.MULTILINE), statement
        assert "${" not in statement


def test_statements_end_with_a_semicolon_at_the_end_of_a_line() -> None:
    assert statements("SELECT ';' AS a;\nSELECT 2;  \n\nSELECT\n3") == ["SELECT ';' AS a", "SELECT 2", "SELECT\n3"]


def test_a_file_without_statements_has_none() -> None:
    assert statements("\n ;\n") == []


def test_variables_are_filled_in_everywhere() -> None:
    assert statements("SELECT '${NAME}', '${NAME}'") == ["SELECT 'value', 'value'"]


def test_a_variable_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError, match="OTHER"):
        statements("SELECT '${OTHER}'")


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE posts", "drop view x", "TRUNCATE TABLE posts", "DETACH TABLE posts", "RENAME TABLE a TO b",
        "ALTER TABLE posts DROP COLUMN id", "ALTER TABLE posts DELETE WHERE 1", "alter  table posts\n drop partition 1",
        "-- harmless\nDROP TABLE posts", "SELECT 1;\n  -- a word\n\n  DROP TABLE posts",
    ],
)  # fmt: skip
def test_a_statement_that_loses_data_is_refused_by_file(statement: str) -> None:
    with pytest.raises(StoreMigrationError, match=r"0001_test\.sql has a statement that loses data"):
        statements(statement)


@pytest.mark.parametrize(
    "statement",
    ["SELECT 'DROP TABLE posts'", "-- DROP TABLE posts\nSELECT 1", "ALTER TABLE posts ADD COLUMN dropped Int8"],
)
def test_a_statement_that_only_speaks_of_it_is_not(statement: str) -> None:
    assert statements(statement) == [statement]


def test_a_file_that_was_changed_has_another_sum() -> None:
    assert Migration(1, "a", "SELECT 1").sha256 != Migration(1, "a", "SELECT 2").sha256
