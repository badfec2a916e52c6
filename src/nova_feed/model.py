"""Words of the domain that more than one stage speaks. Ids are 64-bit; times are UTC milliseconds."""

from __future__ import annotations

from enum import StrEnum

import msgspec

MAX_ID = 2**63 - 1
# Two users of ours among the app's: the second follows the first, whose posts nobody else is shown. Named here, so that
# every surface that looks beyond whom a viewer follows can leave them out.
CANARY_AUTHOR, CANARY_VIEWER = "nova_canary_author", "nova_canary_viewer"


class Action(StrEnum):
    """What a client may report about a post."""

    IMPRESSION = "impression"
    VIEW = "view"
    CLICK = "click"
    LIKE = "like"
    COMMENT = "comment"
    SHARE = "share"
    DWELL = "dwell"
    HIDE = "hide"


class Event(msgspec.Struct, frozen=True):
    """One client event as it travels through Kafka. ``seq`` is PostgreSQL's identity of it; times are milliseconds."""

    seq: int
    accepted_at: int
    event_id: str
    event_time: int
    user_id: int
    post_id: int
    author_id: int
    action: Action
    dwell_ms: int = 0
    device: str = ""
    app_ver: str = ""
