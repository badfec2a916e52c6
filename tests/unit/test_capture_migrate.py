"""PostgreSQL's migrations: in order, without gaps, and nothing of the app's is ever taken away."""

from __future__ import annotations

import re

import pytest

from nova_feed.capture.migrate import migrations


def statements(sql: str) -> str:
    """Without comments, what goes with its owner, and what is forbidden by a trigger."""
    return re.sub(r"--.*|ON DELETE CASCADE|BEFORE UPDATE OR DELETE OR TRUNCATE", "", sql)


def test_numbers_follow_each_other_from_one() -> None:
    assert [number for number, _, _ in migrations()] == list(range(1, len(migrations()) + 1))


@pytest.mark.parametrize(("number", "name", "sql"), migrations())
def test_a_file_carries_its_number_and_a_word_about_itself(number: int, name: str, sql: str) -> None:
    assert re.fullmatch(rf"{number:04}_[a-z_]+\.sql", name)
    assert sql.startswith("-- ")


@pytest.mark.parametrize(("number", "name", "sql"), migrations())
def test_nothing_is_dropped_emptied_or_renamed(number: int, name: str, sql: str) -> None:
    assert not re.search(r"\b(DROP|TRUNCATE|DELETE|RENAME)\b", statements(sql), re.IGNORECASE)


def test_tables_that_an_app_may_have_already_are_left_as_they_are() -> None:
    made = re.findall(r"CREATE (?:TABLE|INDEX) (IF NOT EXISTS )?", statements(migrations()[0][2]))
    assert made
    assert all(made)
