"""Settings: read once from the environment, frozen, strict. Unknown or malformed means: refuse to start.

The names without prefix are the field's own (POSTGRES_URL ...); every other one starts with NOVA_, so that a misspelt
one is found. A secret may come from a file: NAME_FILE instead of NAME.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from nova_feed.errors import SettingsError

SECRETS = ("NOVA_JWT_SECRET", "NOVA_CURSOR_SECRET", "NOVA_SMTP_URL", "NOVA_ADMIN_TOKEN")
_INTERNAL = ("NOVA_PART", "NOVA_CDC_PASSWORD")


def _env(name: str) -> AliasChoices:
    return AliasChoices(name)


class Settings(BaseModel):
    """Everything a process is told from outside. Field descriptions become docs/settings.md and .env.example."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    postgres_url: str = Field(
        "postgresql://localhost:5432/nova",
        validation_alias=_env("POSTGRES_URL"),
        description="The app's database (>= 14, wal_level=logical).",
    )
    clickhouse_url: str = Field(
        "http://localhost:8123/nova",
        validation_alias=_env("CLICKHOUSE_URL"),
        description="ClickHouse's HTTP interface, with user, password and database.",
    )
    kafka_brokers: str = Field(
        "localhost:9092",
        validation_alias=_env("KAFKA_BROKERS"),
        description="Kafka bootstrap servers, host:port, comma separated.",
    )
    redis_url: str = Field(
        "redis://localhost:6379/0", validation_alias=_env("REDIS_URL"), description="Valkey or Redis."
    )
    connect_url: str = Field(
        "http://localhost:8083",
        validation_alias=_env("NOVA_CONNECT_URL"),
        description="Kafka Connect's REST address.",
    )
    cdc_postgres_url: str = Field(
        "",
        validation_alias=_env("NOVA_CDC_POSTGRES_URL"),
        description="PostgreSQL as Kafka Connect reaches it; empty: POSTGRES_URL.",
    )
    clickhouse_kafka_brokers: str = Field(
        "",
        validation_alias=_env("NOVA_CLICKHOUSE_KAFKA_BROKERS"),
        description="Kafka as ClickHouse reaches it; empty: KAFKA_BROKERS.",
    )
    kafka_replication: int = Field(
        3,
        ge=1,
        le=9,
        validation_alias=_env("NOVA_KAFKA_REPLICATION"),
        description="Replication factor of new topics; from 3 on, two copies must have what is acknowledged.",
    )

    clickhouse_consumers: int = Field(
        1,
        ge=1,
        le=64,
        validation_alias=_env("NOVA_CLICKHOUSE_CONSUMERS"),
        description="Kafka consumers of each ClickHouse queue table, when the tables are made.",
    )

    http_host: str = Field(
        "127.0.0.1", validation_alias=_env("NOVA_HTTP_HOST"), description="Address the API listens on."
    )
    http_port: int = Field(
        8080, ge=1, le=65535, validation_alias=_env("HTTP_PORT"), description="Port the API listens on."
    )
    admin_host: str = Field(
        "127.0.0.1", validation_alias=_env("NOVA_ADMIN_HOST"), description="Address of the admin listener."
    )
    admin_port: int = Field(
        8081,
        ge=1,
        le=65535,
        validation_alias=_env("NOVA_ADMIN_PORT"),
        description="Port of the admin listener.",
    )
    sample_writes: bool = Field(
        default=False,
        validation_alias=_env("NOVA_SAMPLE_WRITES"),
        description="Lets /admin/sample write posts, likes, follows and blocks into the app's tables, for the console"
        " of a sample network. Never in production.",
    )
    worker_concurrency: int = Field(
        2, ge=1, le=256, validation_alias=_env("WORKER_CONCURRENCY"), description="API worker processes."
    )
    lists_dir: str = Field(
        "",
        validation_alias=_env("NOVA_LISTS_DIR"),
        description="Folder that the API processes of a host share, for the lists made last (64 MiB): from it cursors"
        " go on while Valkey is away. Empty: a temporary one.",
    )
    cors_origins: str = Field(
        "",
        validation_alias=_env("NOVA_CORS_ORIGINS"),
        description="Origins allowed by CORS, comma separated; empty: none.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", validation_alias=_env("LOG_LEVEL"), description="Least level that is logged."
    )
    otel_endpoint: str = Field(
        "",
        validation_alias=_env("NOVA_OTEL_ENDPOINT"),
        description="OTLP/HTTP collector that traces are sent to, as http://localhost:4318; empty: no traces.",
    )
    otel_ratio: float = Field(
        0.01,
        ge=0,
        le=1,
        validation_alias=_env("NOVA_OTEL_RATIO"),
        description="Share of the traces beginning here that are sampled.",
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto",
        validation_alias=_env("NOVA_LOG_FORMAT"),
        description="auto: readable on a terminal, JSON elsewhere.",
    )

    jwt_secret: SecretStr = Field(
        SecretStr(""),
        validation_alias=_env("NOVA_JWT_SECRET"),
        description="HS256 key of the tokens (>= 32 bytes). Exactly one of secret, public key, JWKS.",
    )
    jwt_public_key_file: str = Field(
        "",
        validation_alias=_env("NOVA_JWT_PUBLIC_KEY_FILE"),
        description="PEM file of the public key of RS256/ES256/EdDSA tokens.",
    )
    jwks_url: str = Field(
        "", validation_alias=_env("NOVA_JWKS_URL"), description="JWKS document with the keys of the tokens."
    )
    jwt_issuer: str = Field(
        "nova-feed",
        validation_alias=_env("NOVA_JWT_ISSUER"),
        description="The iss claim every token must carry.",
    )
    jwt_audience: str = Field(
        "nova-feed",
        validation_alias=_env("NOVA_JWT_AUDIENCE"),
        description="The aud claim every token must carry.",
    )
    cursor_secret: SecretStr = Field(
        SecretStr(""),
        validation_alias=_env("NOVA_CURSOR_SECRET"),
        description="Key that signs cursors (>= 32 bytes), the same on every API host.",
    )

    limit_reads: int = Field(
        600,
        ge=10,
        le=1_000_000_000,
        validation_alias=_env("NOVA_LIMIT_READS"),
        description="Reads a minute of one user.",
    )
    limit_events: int = Field(
        6_000,
        ge=100,
        le=1_000_000_000,
        validation_alias=_env("NOVA_LIMIT_EVENTS"),
        description="Events a minute of one user (each event of a batch counts).",
    )
    limit_service_reads: int = Field(
        600_000,
        ge=10,
        le=1_000_000_000,
        validation_alias=_env("NOVA_LIMIT_SERVICE_READS"),
        description="Reads a minute of one subject whose token has the scope service.",
    )
    limit_service_events: int = Field(
        6_000_000,
        ge=100,
        le=1_000_000_000,
        validation_alias=_env("NOVA_LIMIT_SERVICE_EVENTS"),
        description="Events a minute of one subject whose token has the scope service.",
    )
    limit_anonymous: int = Field(
        600,
        ge=10,
        le=1_000_000_000,
        validation_alias=_env("NOVA_LIMIT_ANONYMOUS"),
        description="Requests a minute of one address without a valid token (IPv6: of a /64).",
    )

    weight_freshness: float = Field(
        0.30,
        ge=0,
        le=1000,
        validation_alias=_env("NOVA_WEIGHT_FRESHNESS"),
        description="Weight of exp(-0.1 * age in hours).",
    )
    weight_engagement: float = Field(
        0.40,
        ge=0,
        le=1000,
        validation_alias=_env("NOVA_WEIGHT_ENGAGEMENT"),
        description="Weight of log1p((likes + 2 comments + 3 shares) / max(1, exposures)).",
    )
    weight_affinity: float = Field(
        0.30,
        ge=0,
        le=1000,
        validation_alias=_env("NOVA_WEIGHT_AFFINITY"),
        description="Weight of log1p(interactions of viewer and author).",
    )
    feed_ttl_s: int = Field(
        120,
        ge=1,
        le=3600,
        validation_alias=_env("NOVA_FEED_TTL_S"),
        description="How long a ranked list answers first pages.",
    )
    list_ttl_s: int = Field(
        600,
        ge=60,
        le=86_400,
        validation_alias=_env("NOVA_LIST_TTL_S"),
        description="How long a frozen list outlives its last read (the life of a cursor).",
    )
    clickhouse_timeout_s: float = Field(
        2.0,
        gt=0,
        le=60,
        validation_alias=_env("NOVA_CLICKHOUSE_TIMEOUT_S"),
        description="Deadline of a query for a page; the fallback answers after a second at most.",
    )
    canary_url: str = Field(
        "",
        validation_alias=_env("NOVA_CANARY_URL"),
        description="The API as users reach it, for the worker's canary; empty: no canary. Needs NOVA_JWT_SECRET.",
    )
    canary_every_s: float = Field(
        15.0, ge=1, le=3600, validation_alias=_env("NOVA_CANARY_EVERY_S"), description="Pause between its rounds."
    )
    smtp_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=_env("NOVA_SMTP_URL"),
        description="Where the daily report is sent: smtp://user:password@host:587 or smtps://...; empty: nowhere.",
    )
    report_from: str = Field("", validation_alias=_env("NOVA_REPORT_FROM"), description="Sender of the daily report.")
    report_to: str = Field("", validation_alias=_env("NOVA_REPORT_TO"), description="Its recipients, comma separated.")
    runtime_file: str = Field(
        "",
        validation_alias=_env("NOVA_RUNTIME_FILE"),
        description="JSON file of flags and configuration that the worker follows; empty: none.",
    )
    admin_token: SecretStr = Field(
        SecretStr(""),
        validation_alias=_env("NOVA_ADMIN_TOKEN"),
        description="Token with the scope admin that `nova admin` sends; empty: it mints one with NOVA_JWT_SECRET.",
    )
    shutdown_s: int = Field(
        10,
        ge=1,
        le=300,
        validation_alias=_env("NOVA_SHUTDOWN_S"),
        description="How long a stopping process lets requests finish.",
    )

    @field_validator(
        "postgres_url",
        "cdc_postgres_url",
        "clickhouse_url",
        "redis_url",
        "connect_url",
        "jwks_url",
        "canary_url",
        "otel_endpoint",
    )
    @classmethod
    def _is_url(cls, value: str) -> str:
        if value and not _has_host(value):
            raise ValueError("must be a URL such as scheme://user:password@host:port/name")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _is_mail(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if url and not (_has_host(url) and urlsplit(url).scheme in {"smtp", "smtps"}):
            raise ValueError("must be smtp://user:password@host:port or smtps://...")
        return value

    @field_validator("jwt_secret", "cursor_secret", "admin_token")
    @classmethod
    def _is_long_enough(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and len(value.get_secret_value()) < 32:
            raise ValueError("must have at least 32 characters")
        return value


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Parse the environment. Raises SettingsError naming every wrong setting, its value and what would be right."""
    environ = os.environ if environ is None else environ
    known = {env_name(field): field for field in Settings.model_fields}
    unknown = [
        n
        for n in environ
        if n.startswith("NOVA_") and n not in known and n not in _INTERNAL and n.removesuffix("_FILE") not in SECRETS
    ]
    if unknown:
        raise SettingsError(f"unknown setting {', '.join(sorted(unknown))}: see .env.example for the names there are")
    values = {name: environ[name] for name in known if environ.get(name)} | _secrets_from_files(environ)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(
            "; ".join(_sentence(item["loc"][0], item["msg"], values) for item in error.errors())
        ) from None


def env_name(field: str) -> str:
    """The environment variable of a field of Settings."""
    alias = Settings.model_fields[field].validation_alias
    assert isinstance(alias, AliasChoices)
    return str(alias.choices[0])


def without_password(url: str) -> str:
    """A URL, or what was meant to be one, fit to be shown: nothing of a password in it is left."""
    found = re.match(r"[\w.+-]*://", url)
    scheme = found[0] if found else ""
    login, at, place = url.removeprefix(scheme).rpartition("@")
    if at:
        shown = re.sub(r":.*", ":***", login, flags=re.DOTALL) + at + place
    else:  # without a host it is unclear whether a port or a password follows the colon
        shown = re.sub(r"^([^:/\[]*):(?!\d{1,5}(?:[/,]|$))[^/]*", r"\1:***", place)
    return scheme + re.sub(r"(password=)[^&]*", r"\1***", shown, flags=re.IGNORECASE)


def _has_host(url: str) -> bool:
    try:
        at = urlsplit(url)
        return "://" in url and bool(at.hostname) and at.port != 0
    except ValueError:  # of a bracket that is never closed, of a port that is no number
        return False


def _secrets_from_files(environ: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in SECRETS:
        path = environ.get(f"{name}_FILE")
        if path and environ.get(name):
            raise SettingsError(f"both {name} and {name}_FILE are set: leave one of them out")
        if path:
            try:
                found[name] = Path(path).read_text().strip()
            except OSError as error:
                raise SettingsError(f"{name}_FILE={path} cannot be read: {error.strerror}") from error
    return found


def _sentence(name: object, message: str, values: Mapping[str, str]) -> str:
    shown = "(hidden)" if name in SECRETS else repr(without_password(values.get(str(name), "")))
    return f"{name}={shown} is wrong: {message.removeprefix('Value error, ')}"
