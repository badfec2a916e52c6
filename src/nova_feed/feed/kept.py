"""What is cached for one viewer, for people who want to know why a feed looks as it does."""

from __future__ import annotations

from dataclasses import dataclass

from nova_feed.cache.lists import ListCache
from nova_feed.feed.frozen import FrozenList, decode
from nova_feed.feed.service import RANKED
from nova_feed.runtime import Runtime

MOST_KEYS = 1_000_000  # of all keys in Valkey: about a second
TOP = 5


@dataclass(frozen=True, slots=True)
class KeptList:
    """One frozen list. ``ranked_as``: the name of the weights; ``top``: its first posts with their scores."""

    list_id: str
    source: str
    reason: str
    as_of_ms: int
    ttl_s: int
    rows: int
    seen: int
    ranked_as: str
    top: tuple[tuple[int, int, float], ...]  # post, author, score


@dataclass(frozen=True, slots=True)
class KeptFeed:
    """``first``: the list that first pages are pointed at; ``because``: why it does not answer the next one, though."""

    first: str | None
    first_ttl_s: int | None
    answers: bool
    because: str
    lists: tuple[KeptList, ...]
    complete: bool


async def kept_feed(lists: ListCache, viewer_id: int, now: Runtime) -> KeptFeed:
    """Look, and change nothing. Raises StoreUnavailableError."""
    found = await lists.kept(viewer_id, MOST_KEYS)
    shown = []
    for ttl_s, body in found.lists:
        try:
            shown.append(_list(decode(body), ttl_s))
        except ValueError:  # another release's list: nothing here can read it
            continue
    shown.sort(key=lambda one: -one.as_of_ms)
    because = _because(found.first, shown, now)
    ttl = None if found.first is None else found.first_ttl_s
    return KeptFeed(found.first, ttl, not because, because, tuple(shown), found.complete)


def _list(frozen: FrozenList, ttl_s: int) -> KeptList:
    rows = frozen.candidates
    top = zip(
        rows.post_id[:TOP].tolist(), rows.author_id[:TOP].tolist(), frozen.scores.total[:TOP].tolist(), strict=True
    )
    return KeptList(
        frozen.list_id, frozen.source, frozen.reason, frozen.as_of_ms, ttl_s, len(frozen), int(frozen.seen.sum()),
        frozen.weights.version, tuple(top),
    )  # fmt: skip


def _because(first: str | None, lists: list[KeptList], now: Runtime) -> str:
    """Why the next first page is not cut from the list that is pointed at; empty when it is."""
    if not now.use_ch_ranking or not now.enable_caching:
        return f"{'enable_caching' if now.use_ch_ranking else 'use_ch_ranking'} is off"
    if first is None:
        return "no list is pointed at"
    one = next((one for one in lists if one.list_id == first), None)
    if one is None:
        return "the list that is pointed at is gone, or cannot be read"
    if one.source == RANKED and one.ranked_as != now.weights.version:
        return "it was ranked with other weights than hold now"
    return ""
