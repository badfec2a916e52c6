"""Frozen lists as bytes: written once, read by every page of a cursor, gone when nobody reads them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Self, cast

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from nova_feed.cache.keys import FEED, LAST, LIST
from nova_feed.cache.measured import MeasuredRedis
from nova_feed.cache.valkey import asked

TIMEOUT_S = 0.25  # a process that ranks for a crowd may look at its sockets 100 ms late: Valkey is not away then
JITTER = 0.1
TTLS = (FEED.ttl_s, LIST.ttl_s)
_SCANNED = 1_000  # keys in one step of a walk through all of them

# Of many lists in one command: three keys and an id each. In a pipeline of commands each of them costs the process
# 25 us, and the answer is one number.
_ROLES = """
local life, outdated_too, told = ARGV[1], ARGV[2] == '1', {}
for i = 3, #ARGV, 4 do
  local first, last = redis.call('GET', ARGV[i]), redis.call('GET', ARGV[i + 1])
  local role = 0
  if redis.call('EXPIRE', ARGV[i + 2], life) == 1 then
    if first == ARGV[i + 3] or (outdated_too and not first and last == ARGV[i + 3]) then role = 2
    elseif first or last then role = 1 end
  end
  told[#told + 1] = role
end
return told
"""


class Role(IntEnum):
    """How a list stands with a viewer's first pages: it answers them, or a newer one does or would be better, or it is
    to answer none any more."""

    GONE = 0
    REPLACED = 1
    FIRST = 2


@dataclass(frozen=True, slots=True)
class First:
    """A list for first pages. ``outdated``: it answered them before; a newer one would be better."""

    body: bytes
    outdated: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """Which list answers first pages, for how many seconds yet, and every list with its own seconds.

    ``complete``: whether all keys were looked at.
    """

    first: str | None
    first_ttl_s: int
    lists: tuple[tuple[int, bytes], ...]
    complete: bool


@dataclass(frozen=True, slots=True, eq=False)
class ToKeep:
    """A list to be kept; ``first``: it answers the viewer's first pages from now on."""

    viewer_id: int
    list_id: str
    body: bytes
    first: bool


class ListCache:
    """Every method raises StoreUnavailableError within about 250 ms when Valkey does not answer; nothing is retried."""

    def __init__(self, client: redis.Redis, *, ttls: Callable[[], tuple[int, int]] = lambda: TTLS) -> None:
        self.client, self._ttls = client, ttls
        self._roles = client.register_script(_ROLES)

    @classmethod
    def connect(cls, url: str, *, ttls: Callable[[], tuple[int, int]] = lambda: TTLS) -> Self:
        """Make the client; nothing is sent yet. ``ttls`` says how long lives what is written now, in seconds:
        the right to answer first pages, and a list after its last read."""
        client = MeasuredRedis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, max_connections=100,
            retry=Retry(NoBackoff(), 0), client_name="nova", protocol=3, health_check_interval=0,
        )  # fmt: skip
        return cls(client, ttls=ttls)

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def first(self, viewer_id: int) -> bytes | None:
        """The list that answers this viewer's first pages, if there is one."""
        found = (await self.firsts([viewer_id]))[viewer_id]
        return None if found is None or found.outdated else found.body

    async def firsts(self, viewers: Sequence[int]) -> dict[int, First | None]:
        """Of each viewer the list that answers first pages, or else the last that did; the lives of the lists are
        renewed."""
        keys = [key.of(viewer) for key in (FEED, LAST) for viewer in viewers]
        named = cast("list[bytes | None]", await asked(self.client.mget(keys)))
        first, last = named[: len(viewers)], named[len(viewers) :]
        there = [(viewer, a or b, a is None) for viewer, a, b in zip(viewers, first, last, strict=True) if a or b]
        answers: dict[int, First | None] = dict.fromkeys(viewers)
        if not there:
            return answers
        pipeline = self.client.pipeline(transaction=False)
        for viewer, list_id, _ in there:
            pipeline.getex(LIST.of(viewer, cast("bytes", list_id).decode("ascii")), ex=self._ttls()[1])
        found = cast("list[bytes | None]", await asked(pipeline.execute()))
        return answers | {
            viewer: First(body, outdated) for (viewer, _, outdated), body in zip(there, found, strict=True) if body
        }

    async def roles(self, lists: Sequence[tuple[int, str]], *, outdated_too: bool = False) -> list[Role]:
        """Of each viewer and list, how it stands; ``outdated_too``: one that would answer first pages if no newer one
        did is ``FIRST``, too. The lives of the lists are renewed."""
        arguments: list[str | int] = [self._ttls()[1], int(outdated_too)]
        for viewer_id, list_id in lists:
            arguments += (FEED.of(viewer_id), LAST.of(viewer_id), LIST.of(viewer_id, list_id), list_id)
        return [Role(told) for told in cast("list[int]", await asked(self._roles(args=arguments)))]

    async def get(self, viewer_id: int, list_id: str) -> bytes | None:
        """A list, its life renewed; None when it has expired."""
        found = await asked(self.client.getex(LIST.of(viewer_id, list_id), ex=self._ttls()[1]))
        return cast("bytes | None", found)

    async def put(self, viewer_id: int, list_id: str, body: bytes, *, first: bool) -> None:
        """Keep a list; with ``first`` it also answers the viewer's first pages from now on."""
        await self.put_all([ToKeep(viewer_id, list_id, body, first)])

    async def put_all(self, lists: Sequence[ToKeep]) -> None:
        """Keep several lists."""
        feed_ttl_s, list_ttl_s = self._ttls()
        pipeline = self.client.pipeline(transaction=False)
        for one in lists:
            pipeline.set(LIST.of(one.viewer_id, one.list_id), one.body, ex=list_ttl_s)
            if one.first:  # a little less than its life for each another time: so they are not missed together
                life_s = feed_ttl_s * random.uniform(1 - JITTER, 1)  # noqa: S311  no secret
                pipeline.set(FEED.of(one.viewer_id), one.list_id, px=max(1, int(life_s * 1000)))
                pipeline.set(LAST.of(one.viewer_id), one.list_id, ex=list_ttl_s)
        await asked(pipeline.execute())

    async def go_on(self, viewer_id: int, list_id: str, life_s: int) -> None:
        """A list that is outdated answers first pages for so long, unless another one does by now."""
        await asked(self.client.set(FEED.of(viewer_id), list_id, ex=life_s, nx=True))

    async def cold(self, viewers: Sequence[int]) -> list[int]:
        """Those of the viewers who have no list that would answer a first page."""
        if not viewers:
            return []
        found = cast("list[bytes | None]", await asked(self.client.mget([FEED.of(viewer) for viewer in viewers])))
        return [viewer for viewer, list_id in zip(viewers, found, strict=True) if list_id is None]

    async def forget(self, viewers: Iterable[int]) -> None:
        """The next first page of these viewers is ranked anew. Cursors already handed out stay good."""
        await self._unlink([key.of(viewer) for viewer in viewers for key in (FEED, LAST)])

    async def outdate(self, viewers: Iterable[int]) -> None:
        """As ``forget``, but the list that answered so far does so again where a new one would take long."""
        await self._unlink([FEED.of(viewer) for viewer in viewers])

    async def _unlink(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), 1000):
            await asked(self.client.unlink(*keys[start : start + 1000]))

    async def kept(self, viewer_id: int, most_keys: int) -> Kept:
        """What is kept for a viewer: for people, not for pages. Up to ``most_keys`` of all keys are looked at.

        No life is renewed by it.
        """
        first = cast("bytes | None", await asked(self.client.get(FEED.of(viewer_id))))
        first_ttl_s = cast("int", await asked(self.client.ttl(FEED.of(viewer_id))))
        at, looked, names = 0, 0, set[bytes]()
        while True:
            scan = self.client.scan(at, match=LIST.of(viewer_id, "*"), count=_SCANNED)
            at, found = cast("tuple[int, list[bytes]]", await asked(scan))
            names.update(found)
            looked += _SCANNED
            if at == 0 or looked >= most_keys:
                break
        lists = [await self._one(name) for name in sorted(names)]
        first_id = None if first is None else first.decode("ascii")
        return Kept(first_id, first_ttl_s, tuple(one for one in lists if one is not None), complete=at == 0)

    async def _one(self, name: bytes) -> tuple[int, bytes] | None:
        pipeline = self.client.pipeline(transaction=False)
        pipeline.ttl(name)
        pipeline.get(name)
        ttl_s, body = cast("tuple[int, bytes | None]", await asked(pipeline.execute()))
        return None if body is None else (ttl_s, body)

    async def version(self) -> str:
        """The server's version, by a real call."""
        info = cast("dict[str, object]", await asked(self.client.info("server")))
        return str(info.get("valkey_version") or info["redis_version"])
