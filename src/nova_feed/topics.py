"""Kafka topics: the one table of names, partitions and retention.

A topic's partition count never changes: ClickHouse's row versions are Kafka offsets, which order the changes of a key
only within one partition. More partitions mean a new generation (new prefix, new tables).
"""

from __future__ import annotations

from dataclasses import dataclass

DAY_MS = 86_400_000
CDC_TABLES = ("users", "posts", "follows", "comments", "likes", "blocks", "mutes")
HEARTBEAT_TABLE = "nova_heartbeat"
HIDDEN_TABLE = "nova_hidden"  # for the API's processes alone: ClickHouse does not read it


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. ``retention_ms`` None keeps the newest record of every key for ever (compaction)."""

    name: str
    partitions: int
    retention_ms: int | None

    def config(self, copies: int) -> dict[str, str]:
        """The broker's settings of this topic, of which there are so many copies.

        Of three or more, two must have a record before it is acknowledged: else the loss of one machine could take it.
        """
        in_sync = {"min.insync.replicas": "2"} if copies >= 3 else {}
        if self.retention_ms is None:
            return {"cleanup.policy": "compact", "min.compaction.lag.ms": str(DAY_MS), **in_sync}
        return {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms), **in_sync}


EVENTS = Topic("events", 12, 7 * DAY_MS)
EVENTS_DEAD = Topic("feed_events", 1, 14 * DAY_MS)
CDC_DEAD = Topic("cdc_dlq", 1, 14 * DAY_MS)
CDC = tuple(Topic(f"cdc.{table}", 6, 7 * DAY_MS) for table in CDC_TABLES)
HEARTBEAT = Topic(f"cdc.{HEARTBEAT_TABLE}", 1, DAY_MS)
HIDDEN = Topic(f"cdc.{HIDDEN_TABLE}", 6, 7 * DAY_MS)
DEBEZIUM_HEARTBEAT = Topic("__debezium-heartbeat.cdc", 1, DAY_MS)

ALL = (EVENTS, EVENTS_DEAD, CDC_DEAD, *CDC, HEARTBEAT, HIDDEN, DEBEZIUM_HEARTBEAT)


def cdc_topic(table: str) -> Topic:
    """The topic of one captured table. Raises KeyError for a table that is not captured."""
    return {topic.name: topic for topic in CDC}[f"cdc.{table}"]
