"""What is told of pages answered from memory: counted and logged many at a time, since one takes microseconds.

A line looks like every other; it is written, and its request counted, at most ``FLUSH_S`` later. Its timestamp is that
of the request.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

import structlog

from nova_feed.ops import metrics

FLUSH_S = 0.1
log = structlog.get_logger(__name__)


class Hit(NamedTuple):
    """One page: ``at`` is when (ms since the epoch), ``request_id`` has nothing that JSON would escape."""

    request_id: str
    user_id: int
    limit: int
    posts: int
    seconds: float
    at_ms: int


class AccessLog:
    """Lines to stderr, about the one ``path``. ``level`` and ``how`` as in ``logs.configure``."""

    def __init__(self, level: str, how: str, path: str) -> None:
        self._on = level in {"debug", "info"}
        self._pretty = how == "console" or (how == "auto" and sys.stderr.isatty())
        self._path = path
        self._hits: list[Hit] = []
        self.add = self._hits.append  # one page; a plain append, because it is on the way of every one

    def flush(self) -> None:
        """Count and write what there is. A full disk loses lines rather than requests."""
        if not self._hits:
            return
        hits = self._hits.copy()
        self._hits.clear()
        metrics.API_REQUESTS.labels("feed", "GET", "200").inc(len(hits))
        metrics.FEED_REQUESTS.labels("ch", "cached", "true").inc(len(hits))
        metrics.CACHE_LOOKUPS.labels("feed", "local").inc(len(hits))
        metrics.observe_all(metrics.API_SECONDS.labels("feed"), [hit.seconds for hit in hits])
        if self._on and self._pretty:
            for hit in hits:
                log.info("request", path=self._path, status=200, ms=round(hit.seconds * 1000, 2), user_id=hit.user_id,
                         request_id=hit.request_id, source="cached")  # fmt: skip
        elif self._on:
            with suppress(OSError, ValueError):
                sys.stderr.write("".join(self._lines(hits)))
                sys.stderr.flush()

    def _lines(self, hits: list[Hit]) -> Iterator[str]:
        path, second, day = self._path, -1, ""
        for request_id, user_id, limit, posts, seconds, at_ms in hits:
            s, ms = divmod(at_ms, 1000)
            if s != second:
                second, day = s, datetime.fromtimestamp(s, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            yield (
                f'{{"request_id":"{request_id}","path":"{path}","status":200,"ms":{seconds * 1000:.2f},'
                f'"user_id":{user_id},"algo":"ch","limit":{limit},"posts":{posts},"cache_hit":true,"source":"cached",'
                f'"fallback":false,"event":"request","level":"info","timestamp":"{day}.{ms:03}Z"}}\n'
            )

    async def run(self) -> None:
        """Flush until cancelled, and then once more."""
        try:
            while True:
                await asyncio.sleep(FLUSH_S)
                self.flush()
        finally:
            self.flush()
