"""Every key there is: format, type, TTL. Nothing else in the product writes a key."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """One family of keys. ``ttl_s`` bounds the life of each; ``what`` says what lies under it."""

    template: str
    kind: str
    ttl_s: int
    what: str

    def of(self, *parts: object) -> str:
        """The key of these parts."""
        return self.template.format(*parts)


FEED = Key("feed:v1:{}", "string", 120, "viewer -> id of the frozen list that answers first pages")
LAST = Key(
    "last:v1:{}", "string", 600, "viewer -> id of the list ranked last; it answers while rankings are slow or fail"
)
LIST = Key("list:v1:{}:{}", "string", 600, "viewer, list id -> frozen list; TTL renewed by every read")
TRENDING = Key("hot:posts:{}", "string", 600, "window -> trending posts; written every 60 s, outlives a late job")
SUGGESTED = Key("suggest:users:{}", "string", 600, "viewer -> suggested users")
SUGGESTING = Key("suggest:active", "sorted set", 3600, "who asked for suggestions lately, by when; the latest 10,000")
SEEN = Key("seen:{}", "bitmap", 86_400, "viewer -> bloom filter of the posts seen, 8 KiB")
SEEN_RECENT = Key("seen:recent:{}", "sorted set", 86_400, "viewer -> the newest 500 posts seen, by when")
LIMIT = Key("limit:{}:{}", "string", 90, "limit, caller -> when all that was spent is earned back (us); lives so long")
BUILDS = Key(
    "tables:built", "hash", 3600, "table of the ranker -> its newest build: another one says that a copy is old"
)
DAILY = Key("metrics:daily:{}", "string", 86_400, "YYYY-MM-DD -> daily metrics")

ALL = (FEED, LAST, LIST, TRENDING, SUGGESTED, SUGGESTING, SEEN, SEEN_RECENT, LIMIT, BUILDS, DAILY)
