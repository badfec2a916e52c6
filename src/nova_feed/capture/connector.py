"""The Debezium connector's configuration: a pure function of where things are."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from nova_feed.topics import CDC_TABLES, HEARTBEAT_TABLE, HIDDEN_TABLE

NAME = "nova-postgres"
PUBLICATION = "nova_pub"
SLOT = "nova_slot"
PREFIX = "cdc"
# Text is not captured: an unchanged TOAST value arrives as a placeholder and would overwrite the real one. Who needs it
# reads it from PostgreSQL.
NOT_CAPTURED = (
    "public.posts.body",
    "public.comments.body",
    "public.users.display_name",
    "public.users.bio",
    "public.users.avatar_url",
)
# ClickHouse's sorting keys, where they are more than the primary key: a record's key decides its partition, and only
# within one partition do offsets order the changes of a row.
MESSAGE_KEYS = "public.likes:post_id,id;public.comments:post_id,id"


def connector_config(postgres_url: str, *, password: str = "${env:NOVA_CDC_PASSWORD}") -> dict[str, str]:  # noqa: S107
    """The connector's configuration. ``password`` is a reference that Connect resolves: never the secret itself."""
    at = urlsplit(postgres_url)
    tables = ",".join(f"public.{table}" for table in (*CDC_TABLES, HEARTBEAT_TABLE, HIDDEN_TABLE))
    return {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "tasks.max": "1",
        "database.hostname": at.hostname or "localhost",
        "database.port": str(at.port or 5432),
        "database.user": unquote(at.username or "postgres"),
        "database.password": password,
        "database.dbname": at.path.lstrip("/") or "postgres",
        "topic.prefix": PREFIX,
        "plugin.name": "pgoutput",
        "publication.name": PUBLICATION,
        "publication.autocreate.mode": "disabled",
        "slot.name": SLOT,
        "slot.drop.on.stop": "false",
        "snapshot.mode": "initial",
        "table.include.list": tables,
        "column.exclude.list": ",".join(NOT_CAPTURED),
        "message.key.columns": MESSAGE_KEYS,
        "poll.interval.ms": "20",
        "max.batch.size": "4096",
        "max.queue.size": "16384",
        "snapshot.fetch.size": "10000",
        # A PostgreSQL that was restarted is asked again each second (of itself it would be after ten), and so is a slot
        # that still belongs to a Connect that was killed.
        "retriable.restart.connector.wait.ms": "1000",
        "slot.retry.delay.ms": "1000",
        "slot.max.retries": "60",
        # Every process that answers from memory goes by these: a page's rules are known up to the newest of them.
        "heartbeat.interval.ms": "200",
        "heartbeat.action.query": f"UPDATE {HEARTBEAT_TABLE} SET beat_at = clock_timestamp() WHERE id = 1",  # noqa: S608
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "key.converter.schemas.enable": "false",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "transforms": "unwrap,route",
        "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
        "transforms.unwrap.delete.tombstone.handling.mode": "rewrite",
        "transforms.unwrap.add.fields": "op,lsn,source.ts_ms",
        "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.route.regex": rf"{PREFIX}\.public\.(.+)",
        "transforms.route.replacement": rf"{PREFIX}.$1",
        "producer.override.linger.ms": "5",
        "producer.override.compression.type": "lz4",
    }
