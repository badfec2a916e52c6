"""What the three dashboards show: one panel a question, with what would be right in its description.

Every expression is executed against a real Prometheus by tests/e2e/test_zz_observe.py.
"""

from __future__ import annotations

from dataclasses import dataclass

R = "[$__rate_interval]"


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression; ``legend`` names its series."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """``right``: what is well, in words. A line marks ``limit``, the most that is well, or the least (``at_least``).

    ``unit`` as Grafana names it.
    """

    title: str
    right: str
    unit: str
    queries: tuple[Query, ...]
    limit: float | None = None
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard: rows of panels."""

    uid: str
    title: str
    description: str
    rows: dict[str, tuple[Panel, ...]]

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, in the order shown."""
        return tuple(panel for row in self.rows.values() for panel in row)


def one(expr: str, legend: str = "") -> tuple[Query, ...]:
    """A panel of a single query."""
    return (Query(expr, legend or "__auto"),)


def p95(metric: str, by: str, where: str = "") -> str:
    """The 95th percentile of a histogram, by a label."""
    return f"histogram_quantile(0.95, sum by (le, {by}) (rate(nova_feed_{metric}_bucket{{{where}}}{R})))"


def per_s(metric: str, by: str, where: str = "") -> str:
    """The rate of a counter, by labels."""
    return f"sum by ({by}) (rate(nova_feed_{metric}{{{where}}}{R}))"


def share(metric: str, part: str, whole: str = "") -> str:
    """The part of a counter that has some labels; 0, not nothing, when there is no such series."""
    top = f"sum(rate(nova_feed_{metric}{{{part}}}{R}))"
    return f"({top} or vector(0)) / sum(rate(nova_feed_{metric}{{{whole}}}{R}))"


FEED_HEALTH = Board(
    "nova-feed-health",
    "Nova Feed: feed health",
    "Is the feed fast, fresh and right for those who ask?",
    {
        "What people get": (
            Panel("Feed P95 by source", "cached ≤ 150 ms, ranked ≤ 800 ms, timeline ≤ 500 ms", "s",
                  one(p95("feed_duration_seconds", "source"), "{{source}}"), 0.8),
            Panel("Errors", "below 0.1 % of requests", "percentunit",
                  one(share("api_requests_total", 'status=~"5.."'), "5xx"), 0.001),
            Panel("Requests", "what is normal at this hour", "reqps",
                  one(per_s("api_requests_total", "route"), "{{route}}")),
            Panel("Requests under way", "near 0: requests last milliseconds", "short",
                  one("sum by (job) (nova_feed_api_active_requests)", "{{job}}")),
        ),
        "Freshness": (
            Panel("Event to visible, P95", "an event is in the feed within 5 s (aim: 1 s)", "s",
                  one(p95("event_to_visible_seconds", "stage"), "{{stage}}"), 5),
            Panel("The canary's last round", "younger than a minute", "s",
                  one("time() - max(nova_feed_canary_last_success_timestamp_seconds)", "age"), 180),
            Panel("Kafka consumer lag", "below 10 s", "s",
                  one("max by (group) (nova_feed_kafka_consumer_lag_seconds)", "{{group}}"), 10),
        ),
        "Cache and ranking": (
            Panel("Cache hit rate of first pages", "at least 90 %", "percentunit",
                  one(share("cache_lookups_total", 'cache="feed",level=~"local|valkey"', 'cache="feed"'), "hits"),
                  0.9, at_least=True),
            Panel("Look-ups by level", "miss is small, away is 0", "ops",
                  one(per_s("cache_lookups_total", "cache, level"), "{{cache}} {{level}}")),
            Panel("ClickHouse query P95", "at most 800 ms", "s",
                  one(p95("ch_query_duration_seconds", "query", 'status="ok"'), "{{query}}"), 0.8),
            Panel("Ranking P95 by stage", "rank ≤ 10 ms; candidates is ClickHouse, keep is Valkey", "s",
                  one(p95("ranking_seconds", "stage"), "{{stage}}")),
            Panel("Posts removed while ranking", "what is normal for this app", "ops",
                  one(per_s("ranking_posts_total", "stage", 'result="removed"'), "{{stage}}")),
            Panel("Fallbacks", "0: every answer has all its stores", "ops",
                  one(per_s("fallbacks_total", "surface, reason"), "{{surface}} {{reason}}")),
        ),
    },
)  # fmt: skip

DATA_PIPELINE = Board(
    "nova-data-pipeline",
    "Nova Feed: data pipeline",
    "Does everything that happens reach the feed, once?",
    {
        "Events": (
            Panel("Events per second", "accepted; 1,000 a second and more is no trouble", "ops",
                  one(per_s("events_total", "status"), "{{status}}")),
            Panel("Duplicates among what was sent", "each is counted once: this is work for nothing, not an error",
                  "percentunit",
                  one(share("events_total", 'status="duplicate"', 'status=~"accepted|duplicate"'), "duplicates")),
            Panel("Ledger: missing and extra", "both 0: every accepted event is in ClickHouse exactly once", "short",
                  (Query("max(nova_feed_events_missing)", "missing"), Query("max(nova_feed_events_extra)", "extra"),
                   Query("sum(increase(nova_feed_events_resent_total[10m]))", "sent again, 10 min")), 1),
            Panel("Outbox: oldest event", "seconds: Kafka acknowledges at once", "s",
                  one("max(nova_feed_outbox_oldest_seconds)", "age"), 60),
            Panel("Outbox: events waiting", "near 0", "short", one("max(nova_feed_outbox_pending_events)", "events")),
        ),
        "Change data capture": (
            Panel("Lag by table", "below 10 s", "s",
                  one("max by (table) (nova_feed_cdc_lag_seconds)", "{{table}}"), 10),
            Panel("Slot: WAL not confirmed", "below 1 GB, and falling after a burst", "bytes",
                  one("max by (slot) (nova_feed_slot_lag_bytes)", "{{slot}}"), 1e9),
            Panel("Slot: wal_status", "reserved", "short",
                  one("max by (status) (nova_feed_slot_wal_status)", "{{status}}")),
            Panel("Connector and tasks", "all running", "short",
                  one("max by (state) (nova_feed_connector_tasks)", "{{state}}")),
        ),
        "Kafka and ClickHouse": (
            Panel("Records to Kafka", "failed is 0", "ops",
                  one(per_s("kafka_records_produced_total", "topic, result"), "{{topic}} {{result}}")),
            Panel("Records read", "as many as are written", "ops",
                  one(f"sum by (group, topic) (rate(nova_feed_kafka_consumer_offset{R}))", "{{group}} {{topic}}")),
            Panel("Lag by partition", "even, and falling", "short",
                  one("topk(20, max by (group, topic, partition) (nova_feed_kafka_partition_lag))",
                      "{{group}} {{topic}} {{partition}}")),
            Panel("From Kafka to the counters", "heartbeat below 15 s (it beats every 10), counters below 5 s", "s",
                  (Query("max(nova_feed_cdc_heartbeat_age_seconds)", "heartbeat"),
                   Query("max(nova_feed_ch_counters_age_seconds)", "counters")), 15),
            Panel("Records no view could read", "flat", "short",
                  (Query("max by (topic) (nova_feed_bad_rows)", "{{topic}}"),
                   Query("sum(increase(nova_feed_dead_letters_total[1h]))", "forwarded, 1 h"))),
        ),
    },
)  # fmt: skip

SYSTEM_HEALTH = Board(
    "nova-system-health",
    "Nova Feed: system health",
    "Are the parts up, and is there room for them?",
    {
        "Parts": (
            Panel("Servers that answer", "all 1", "short", one("max by (part) (nova_feed_part_up)", "{{part}}")),
            Panel("Processes that answer Prometheus", "all 1", "short",
                  one('up{job=~"nova-.*"}', "{{job}} {{instance}}")),
            Panel("Circuit breakers", "all closed", "short",
                  one("sum by (job, store, state) (nova_feed_breakers)", "{{job}} {{store}} {{state}}")),
            Panel("Rounds of the worker's jobs", "done; failed is 0", "ops",
                  one(per_s("job_runs_total", "job, result"), "{{job}} {{result}}")),
        ),
        "PostgreSQL and ClickHouse": (
            Panel("PostgreSQL pools in use", "below 80 %", "percentunit",
                  one('sum by (job, pool) (nova_feed_postgres_pool_connections{state="used"})'
                      ' / sum by (job, pool) (nova_feed_postgres_pool_connections{state="max"})', "{{job}} {{pool}}"),
                  0.8),
            Panel("ClickHouse queries by result", "ok alone", "ops",
                  one(per_s("ch_query_duration_seconds_count", "status"), "{{status}}")),
            Panel("ClickHouse disks: room", "above 10 %", "percentunit",
                  one("min by (disk) (nova_feed_disk_free_bytes / nova_feed_disk_size_bytes)", "{{disk}}"),
                  0.1, at_least=True),
        ),
        "Valkey and Kafka": (
            Panel("Valkey memory", "used well below max", "bytes",
                  one("max by (kind) (nova_feed_valkey_memory_bytes)", "{{kind}}")),
            Panel("Keys leaving Valkey", "expired; evicted is 0", "ops",
                  one(f"max by (how) (rate(nova_feed_valkey_keys_gone{R}))", "{{how}}")),
            Panel("Valkey P95 by command", "below 20 ms", "s",
                  one(p95("valkey_command_duration_seconds", "command"), "{{command}}"), 0.02),
            Panel("Valkey commands by result", "ok alone", "ops",
                  one(per_s("valkey_command_duration_seconds_count", "status"), "{{status}}")),
            Panel("Records waiting in Kafka", "near 0", "short",
                  one("sum by (group) (nova_feed_kafka_consumer_lag)", "{{group}}")),
        ),
    },
)  # fmt: skip

BOARDS = {"feed-health": FEED_HEALTH, "data-pipeline": DATA_PIPELINE, "system-health": SYSTEM_HEALTH}
