"""What lies in Valkey, by key family: counted by SCAN, weighed on a sample. Never by KEYS, which stops the server."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import redis.asyncio as redis
from redis.exceptions import RedisError

from nova_feed.cache.keys import ALL, Key
from nova_feed.errors import StoreUnavailableError

NO_FAMILY = "(of no family)"
SAMPLE = 200  # keys of a family that are weighed
_AT_A_TIME = 1_000
_PERSISTS, _GONE = -1, -2  # what PTTL answers for a key without an end, and for none


@dataclass(slots=True)
class Family:
    """The keys of one family. ``mean_bytes`` and ``largest_bytes`` are of a sample; TTLs in seconds, of all keys.

    ``endless`` keys have no TTL, which the product never writes; ``examples`` names some of those, and of no family.
    """

    template: str
    what: str
    promised_ttl_s: int
    count: int = 0
    endless: int = 0
    least_ttl_s: float = 0.0
    most_ttl_s: float = 0.0
    mean_bytes: float = 0.0
    largest_bytes: int = 0
    examples: list[str] = field(default_factory=list)
    sample: list[bytes] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """Of all its keys, judged by the sample."""
        return round(self.mean_bytes * self.count)

    def warnings(self) -> list[str]:
        """What should not be so, in sentences; empty when all is well."""
        found = []
        some = f" (for example {', '.join(self.examples)})" if self.examples else ""
        if self.template == NO_FAMILY and self.count:
            found.append(f"{self.count:,} keys of no family{some}: somebody else writes to this database")
        if self.endless:
            found.append(f"{self.template}: {self.endless:,} keys without a TTL{some}: they stay for ever")
        if 0 < self.promised_ttl_s < self.most_ttl_s:
            found.append(
                f"{self.template}: a key has {self.most_ttl_s:,.0f} s to live, {self.promised_ttl_s:,} s are promised"
            )
        return found


def family_of(key: bytes) -> str:
    """The template of the family of a key, or NO_FAMILY."""
    return next((family.template for family, pattern in _PATTERNS if pattern.fullmatch(key)), NO_FAMILY)


def _pattern(key: Key) -> re.Pattern[bytes]:
    return re.compile(b"[^:]+".join(re.escape(part.encode()) for part in key.template.split("{}")))


_PATTERNS = tuple((key, _pattern(key)) for key in ALL)


async def census(client: redis.Redis, *, seed: int = 1) -> list[Family]:
    """Every family, with or without keys, in the order of the table; keys of none last.

    Keys that come or go meanwhile may be missed or counted twice, as SCAN has it. Raises StoreUnavailableError.
    """
    families = {key.template: Family(key.template, key.what, key.ttl_s) for key in ALL}
    families[NO_FAMILY] = Family(NO_FAMILY, "", 0)
    dice, cursor, begun = random.Random(seed), 0, False  # noqa: S311  which keys are weighed
    try:
        while cursor or not begun:
            begun = True
            cursor, keys = cast("tuple[int, list[bytes]]", await client.scan(cursor, count=_AT_A_TIME))
            await _count(client, keys, families, dice)
        for family in families.values():
            await _weigh(client, family)
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailableError("valkey", str(error) or type(error).__name__) from error
    return list(families.values())


async def _count(client: redis.Redis, keys: Sequence[bytes], families: dict[str, Family], dice: random.Random) -> None:
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.pttl(key)
    lives = cast("list[int]", await pipeline.execute()) if keys else []
    for key, life_ms in zip(keys, lives, strict=True):
        if life_ms == _GONE:
            continue
        family = families[family_of(key)]
        family.count += 1
        if len(family.sample) < SAMPLE:
            family.sample.append(key)
        elif (at := dice.randrange(family.count)) < SAMPLE:  # every key of a family is as likely to be weighed
            family.sample[at] = key
        if life_ms == _PERSISTS:
            family.endless += 1
        else:
            seconds = life_ms / 1000
            family.least_ttl_s = min(family.least_ttl_s or seconds, seconds)
            family.most_ttl_s = max(family.most_ttl_s, seconds)
        if (life_ms == _PERSISTS or family.template == NO_FAMILY) and len(family.examples) < 3:
            family.examples.append(key.decode("utf-8", "replace")[:60])


async def _weigh(client: redis.Redis, family: Family) -> None:
    pipeline = client.pipeline(transaction=False)
    for key in family.sample:
        pipeline.memory_usage(key)
    found = cast("list[int | None]", await pipeline.execute()) if family.sample else []
    weights = [weight for weight in found if weight is not None]
    if weights:
        family.mean_bytes, family.largest_bytes = sum(weights) / len(weights), max(weights)
