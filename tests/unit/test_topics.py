"""Topics: the one table, and what follows from it."""

from __future__ import annotations

import pytest

from nova_feed.topics import ALL, CDC, CDC_TABLES, EVENTS, Topic, cdc_topic


def test_every_topic_has_a_name_of_its_own_that_kafka_takes() -> None:
    names = [topic.name for topic in ALL]
    assert len(set(names)) == len(names)
    assert all(
        0 < len(name) < 250 and set(name.lower()) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-") for name in names
    )


def test_names_that_differ_in_a_dot_and_an_underscore_would_share_their_metrics() -> None:
    assert len({topic.name.replace(".", "_") for topic in ALL}) == len(ALL)


def test_every_captured_table_has_its_topic() -> None:
    assert tuple(cdc_topic(table) for table in CDC_TABLES) == CDC
    assert set(CDC) < set(ALL)


def test_a_table_that_is_not_captured_has_none() -> None:
    with pytest.raises(KeyError):
        cdc_topic("passwords")


def test_events_are_kept_long_enough_to_be_counted_again() -> None:
    assert EVENTS.config(1) == {"cleanup.policy": "delete", "retention.ms": str(7 * 24 * 3_600_000)}


def test_a_topic_without_retention_keeps_the_newest_of_every_key() -> None:
    assert Topic("state", 1, None).config(1)["cleanup.policy"] == "compact"


@pytest.mark.parametrize("topic", [EVENTS, Topic("state", 1, None)])
def test_of_three_copies_two_must_have_what_is_acknowledged_and_of_fewer_one_may_be_away(topic: Topic) -> None:
    found = [topic.config(copies).get("min.insync.replicas", "1") for copies in (1, 2, 3, 5)]
    assert found == ["1", "1", "2", "2"]
