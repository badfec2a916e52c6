"""Who asks: viewers of a running stack with a token each, in a file that the load generators draw from."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import numpy.typing as npt

from nova_feed.clock import SystemClock
from nova_feed.local.secrets import Secrets
from nova_feed.serving.auth import mint

LIFE_S = 7200
SKEW = 1.0  # Zipf's exponent: the r-th viewer asks 1/r as often as the first


@dataclass(frozen=True, slots=True)
class Viewers:
    """Ids and their tokens, the most eager viewer first."""

    ids: tuple[int, ...]
    tokens: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def write(self, path: Path) -> Path:
        """One token a line, in order; what wrk's script reads."""
        path.write_text("\n".join(self.tokens) + "\n")
        return path

    def some(self, first: int, count: int) -> Viewers:
        """``count`` of them from the ``first`` on."""
        return Viewers(self.ids[first : first + count], self.tokens[first : first + count])


async def find(home: Path, facts: dict[str, Any], most: int, seed: int = 1) -> Viewers:
    """Up to ``most`` people of the stack's network, in an order drawn from ``seed``; not the canary's two."""
    connection = await asyncpg.connect(facts["postgres_url"])
    try:
        rows = await connection.fetch("SELECT id FROM users WHERE username NOT LIKE 'nova\\_canary\\_%' ORDER BY id")
    finally:
        await connection.close()
    ids = [row[0] for row in rows]
    random.Random(seed).shuffle(ids)
    secret, now_ms = Secrets(home / "secrets.json").jwt, SystemClock().now_ms()
    chosen = tuple(ids[:most])
    return Viewers(chosen, tuple(
        mint(secret, i, issuer="nova-feed", audience="nova-feed", now_ms=now_ms, life_s=LIFE_S) for i in chosen
    ))  # fmt: skip


def zipf(count: int, draws: int, seed: int) -> npt.NDArray[np.int64]:
    """``draws`` places from 0 to ``count`` - 1, the r-th drawn 1/r as often as the first."""
    weights = np.arange(1, count + 1, dtype=np.float64) ** -SKEW
    steps = np.cumsum(weights) / weights.sum()
    return np.searchsorted(steps, np.random.default_rng(seed).random(draws)).clip(0, count - 1)
