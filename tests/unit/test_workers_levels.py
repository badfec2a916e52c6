"""Where a consumer group stands, as gauges by topic and by partition."""

from __future__ import annotations

from prometheus_client import REGISTRY

from nova_feed.stream.lag import Ages, Position
from nova_feed.workers.levels import tell

FOUND = {("cdc.posts", 0): Position(5, 9), ("cdc.posts", 1): Position(10, 10), ("cdc.likes", 0): Position(3, 3)}


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"nova_feed_{name}", labels)


def test_a_topic_has_the_records_of_all_its_partitions_and_the_age_of_its_latest_one() -> None:
    ages = Ages()
    tell("nova_cdc", FOUND, ages, 0.0)
    tell("nova_cdc", FOUND, ages, 12.0)
    assert value("kafka_consumer_lag", group="nova_cdc", topic="cdc.posts") == 4
    assert value("kafka_consumer_offset", group="nova_cdc", topic="cdc.posts") == 15
    assert value("kafka_consumer_lag_seconds", group="nova_cdc", topic="cdc.posts") == 12
    assert value("kafka_partition_lag", group="nova_cdc", topic="cdc.posts", partition="0") == 4
    assert value("kafka_partition_lag", group="nova_cdc", topic="cdc.posts", partition="1") == 0


def test_a_captured_table_is_as_late_as_its_topic() -> None:
    tell("nova_cdc", FOUND, Ages(), 0.0)
    assert (value("cdc_lag_seconds", table="posts"), value("cdc_lag_seconds", table="likes")) == (0, 0)
    tell("events_group", {("events", 0): Position(0, 1)}, Ages(), 0.0)
    assert value("cdc_lag_seconds", table="events") is None
