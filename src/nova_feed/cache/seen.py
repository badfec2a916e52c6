"""What a viewer has seen: the newest 500 posts exactly (and a few before them), all of 24 h in a Bloom filter.

The filter has 2^16 bits and 3 hash functions (the spec's T077): up to 5,300 posts a day a post that was not seen is
taken for one that was in less than 1 % of all cases, (1 - exp(-3n / 65536))^3 (Bloom 1970).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import redis.asyncio as redis

from nova_feed.cache.keys import SEEN, SEEN_RECENT
from nova_feed.cache.valkey import asked

BITS, HASHES, RECENT = 1 << 16, 3, 500
Ints = npt.NDArray[np.int64]
# One round trip for a whole batch: a line for each pair, of viewer, post and three bits. As arguments of their own the
# numbers of a batch take a process three times as long. What is past the newest is taken away with every eighth post.
_MARK = """
local recent, filter, most, life, now, viewers = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], {}
for viewer, post, a, b, c in string.gmatch(ARGV[6], '(%d+) (%d+) (%d+) (%d+) (%d+)') do
  redis.call('ZADD', recent .. viewer, now, post)
  redis.call('BITFIELD', filter .. viewer, 'SET', 'u1', a, 1, 'SET', 'u1', b, 1, 'SET', 'u1', c, 1)
  if c % 8 == 0 then redis.call('ZREMRANGEBYRANK', recent .. viewer, 0, -(most + 1)) end
  viewers[viewer] = true
end
for viewer, _ in pairs(viewers) do
  redis.call('EXPIRE', recent .. viewer, life)
  redis.call('EXPIRE', filter .. viewer, life)
end
"""


def places(posts: Ints) -> npt.NDArray[np.uint64]:
    """The bits of each post: one row of ``HASHES`` positions per post, from one 64-bit mix (splitmix64, Vigna 2015)."""
    mixed = posts.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.stack([(mixed >> np.uint64(16 * i)) % np.uint64(BITS) for i in range(HASHES)], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What is known of one viewer: exact ids, ascending, and the filter's bits."""

    recent: Ints
    bits: npt.NDArray[np.uint8]

    def among(self, posts: Ints) -> npt.NDArray[np.bool_]:
        """Which of these posts the viewer has seen."""
        if not len(self.recent):
            return np.zeros(len(posts), dtype=np.bool_)
        exact = np.isin(posts, self.recent)
        if not len(self.bits):
            return exact
        at = places(posts)
        byte = np.minimum(at >> np.uint64(3), np.uint64(len(self.bits) - 1))
        there = (self.bits[byte] >> (np.uint64(7) - (at & np.uint64(7))).astype(np.uint8)) & 1
        inside = (at >> np.uint64(3)) < np.uint64(len(self.bits))
        found: npt.NDArray[np.bool_] = exact | (there.astype(np.bool_) & inside).all(axis=1)
        return found

    @property
    def false_positive_rate(self) -> float:
        """The share of posts not seen that the filter takes for seen, from how full it is now."""
        return (int(np.unpackbits(self.bits).sum()) / BITS) ** HASHES


NOTHING_SEEN = Seen(np.empty(0, np.int64), np.empty(0, np.uint8))


class SeenCache:
    """Marks and reads. Every method raises StoreUnavailableError when Valkey does not answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._mark = client.register_script(_MARK)

    async def mark(self, pairs: Iterable[tuple[int, int]], now_ms: int) -> None:
        """Viewers have seen posts: (viewer, post) pairs, in one round trip."""
        known = list(pairs)
        if not known:
            return
        bits = places(np.array([post for _, post in known], dtype=np.int64)).tolist()
        lines = "\n".join(
            [f"{viewer} {post} {a} {b} {c}" for (viewer, post), (a, b, c) in zip(known, bits, strict=True)]
        )
        await asked(self._mark(args=[SEEN_RECENT.of(""), SEEN.of(""), RECENT, SEEN.ttl_s, now_ms, lines]))

    async def read(self, viewers: Sequence[int]) -> dict[int, Seen]:
        """What each of these viewers has seen, in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for viewer_id in viewers:
            pipeline.zrange(SEEN_RECENT.of(viewer_id), 0, -1)
            pipeline.get(SEEN.of(viewer_id))
        found = cast("list[Any]", await asked(pipeline.execute()))
        return {viewer: _seen(*told) for viewer, *told in zip(viewers, found[::2], found[1::2], strict=True)}


def _seen(recent: list[bytes], bits: bytes | None) -> Seen:
    if not recent:
        return NOTHING_SEEN
    return Seen(np.sort(np.array(recent, dtype=np.int64)), np.frombuffer(bits or b"", dtype=np.uint8))
