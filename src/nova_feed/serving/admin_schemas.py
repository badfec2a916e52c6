"""The bodies of the admin listener's answers. Its OpenAPI document is generated from these."""

from __future__ import annotations

from typing import Literal

import msgspec

from nova_feed.serving.schemas import PartState


class FlagsResponse(msgspec.Struct):
    """Every flag, as of this version."""

    version: int
    flags: dict[str, bool]


class ConfigResponse(msgspec.Struct):
    """The whole configuration, as of this version."""

    version: int
    config: dict[str, int | float]


class RuntimeVersion(msgspec.Struct):
    """One change. ``changes``: name -> before, after; null when it is not valid, and was therefore never in force."""

    version: int
    made_at: str
    made_by: str
    note: str
    changes: dict[str, tuple[bool | int | float, bool | int | float]] | None
    problem: str | None


class HistoryResponse(msgspec.Struct):
    """The newest versions, the newest first; before version 1 the settings hold."""

    version: int
    versions: list[RuntimeVersion]


class RuntimeResponse(msgspec.Struct):
    """Everything, as of this version."""

    version: int
    flags: dict[str, bool]
    config: dict[str, int | float]


class RollbackRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The version to come back to; 0: what the settings say."""

    version: int


class SampleRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A write of the app's: by ``user_id``, of a post or to a person (``target_id``); a new post has no target."""

    write: str
    user_id: int
    target_id: int | None = None


class SampleResponse(msgspec.Struct):
    """``changed``: whether it was not so before. ``id``: of the new post, else the target's."""

    changed: bool
    id: int | None


class SampleWrites(msgspec.Struct):
    """What can be written here."""

    writes: list[str]


class CachedPost(msgspec.Struct):
    """One row of a list."""

    post_id: int
    author_id: int
    score: float


class CachedList(msgspec.Struct):
    """One frozen list. ``ranked_as`` names the weights; lists of equal weights have the same."""

    list_id: str
    source: Literal["ranked", "timeline"]
    reason: str | None
    as_of: str
    age_ms: int
    ttl_s: int
    rows: int
    seen_rows: int
    ranked_as: str
    top: list[CachedPost]


class CachedFeedResponse(msgspec.Struct):
    """What is cached for a user. ``answers``: whether ``first_list`` is what the next first page is cut from."""

    user_id: int
    first_list: str | None
    first_ttl_s: int | None
    answers: bool
    because: str | None
    lists: list[CachedList]
    complete: bool


class PostMeasuresResponse(msgspec.Struct):
    """What each place knows of a post: ``posts`` is PostgreSQL, ``hot_posts`` and ``author_posts`` are the ranker's.

    ``differ``: what a place says otherwise than PostgreSQL; ``away``: store -> why it could not be asked.
    """

    post_id: int
    places: dict[str, dict[str, int]]
    differ: list[str]
    away: dict[str, str]


class PoolState(msgspec.Struct):
    """Connections: open, idle, at most."""

    size: int
    idle: int
    most: int


class ProcessState(msgspec.Struct):
    """What a process of this host told last, ``silent_s`` seconds ago; it tells once a second."""

    process: str
    pid: int
    silent_s: float
    runtime_version: int
    runtime_refused: str
    breakers: dict[str, Literal["closed", "open", "half_open"]]
    pools: dict[str, PoolState]


class SystemStateResponse(msgspec.Struct):
    """The whole at a glance. ``lag``: consumer group -> topic -> records; null where nobody answered."""

    version: str
    newest_runtime: int | None
    runtime_holds: bool
    parts: dict[str, PartState]
    processes: list[ProcessState]
    lag: dict[str, dict[str, int] | None]
    outbox_events: int | None
    outbox_oldest_s: float | None
