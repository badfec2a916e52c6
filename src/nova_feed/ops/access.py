"""What is told of pages answered from memory, and of requests refused without a look: counted and logged many at a
time, since one takes microseconds.

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


class Refused(NamedTuple):
    """One request that was one too many: ``at_ms`` and ``request_id`` as of a ``Hit``."""

    request_id: str
    seconds: float
    at_ms: int


class AccessLog:
    """Lines to stderr, about the one ``path``. ``level`` and ``how`` as in ``logs.configure``."""

    def __init__(self, level: str, how: str, path: str) -> None:
        self._on = level in {"debug", "info"}
        self._pretty = how == "console" or (how == "auto" and sys.stderr.isatty())
        self._path = path
        self._hits: list[Hit] = []
        self._refused: list[Refused] = []
        self.add = self._hits.append  # one page; a plain append, because it is on the way of every one
        self.refuse = self._refused.append

    def flush(self) -> None:
        """Count and write what there is. A full disk loses lines rather than requests."""
        hits, refused = self._hits.copy(), self._refused.copy()
        self._hits.clear()
        self._refused.clear()
        if hits:
            metrics.API_REQUESTS.labels("feed", "GET", "200").inc(len(hits))
            metrics.FEED_REQUESTS.labels("ch", "cached", "true").inc(len(hits))
            metrics.CACHE_LOOKUPS.labels("feed", "local").inc(len(hits))
        if refused:
            metrics.API_REQUESTS.labels("feed", "GET", "503").inc(len(refused))
            metrics.SHED.inc(len(refused))
        told: list[Hit | Refused] = [*hits, *refused]
        if told:
            metrics.observe_all(metrics.API_SECONDS.labels("feed"), [one.seconds for one in told])
            self._write(told)

    def _write(self, told: list[Hit | Refused]) -> None:
        if self._on and self._pretty:
            for one in told:
                more: dict[str, object] = {"status": 503}
                if isinstance(one, Hit):
                    more = {"status": 200, "user_id": one.user_id, "source": "cached"}
                log.info("request", path=self._path, ms=round(one.seconds * 1000, 2), request_id=one.request_id, **more)
        elif self._on:
            with suppress(OSError, ValueError):
                sys.stderr.write("".join(self._lines(told)))
                sys.stderr.flush()

    def _lines(self, told: list[Hit | Refused]) -> Iterator[str]:
        second, day = -1, ""
        for one in told:
            s, ms = divmod(one.at_ms, 1000)
            if s != second:
                second, day = s, datetime.fromtimestamp(s, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            if isinstance(one, Hit):
                more = (
                    f'200,"user_id":{one.user_id},"algo":"ch","limit":{one.limit},"posts":{one.posts},'
                    '"cache_hit":true,"source":"cached","fallback":false'
                )
            else:
                more = "503"
            yield (
                f'{{"request_id":"{one.request_id}","path":"{self._path}","ms":{one.seconds * 1000:.2f},'
                f'"status":{more},"event":"request","level":"info","timestamp":"{day}.{ms:03}Z"}}\n'
            )

    async def run(self) -> None:
        """Flush until cancelled, and then once more."""
        try:
            while True:
                await asyncio.sleep(FLUSH_S)
                self.flush()
        finally:
            self.flush()
