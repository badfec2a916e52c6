"""Where frozen lists are kept: in Valkey, for every process, and on this host, for as long as Valkey is away.

Valkey is asked by coalescers: a round trip costs a process some 0.2 ms, for many lists as for one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from nova_feed.cache.lists import First, ListCache, Role, ToKeep
from nova_feed.errors import CursorExpiredError, StoreUnavailableError
from nova_feed.feed.breaker import Breaker
from nova_feed.feed.coalesce import Coalescer
from nova_feed.feed.cursor import Cursor
from nova_feed.feed.frozen import FrozenList, decode, encode
from nova_feed.feed.nearby import NearbyLists
from nova_feed.feed.told import looked_up

GOES_ON_S = 30


class KeptFirst(NamedTuple):
    """The list of a viewer's first pages. ``outdated``: it was that; a newer one would be better."""

    frozen: FrozenList
    outdated: bool


class Keeping:
    """Keeps lists and finds them again. Where nothing else is said, raises StoreUnavailableError."""

    def __init__(self, lists: ListCache, nearby: NearbyLists, valkey: Breaker, slow: Callable[[], bool]) -> None:
        """``slow()``: whether outdated lists have to answer, too."""
        self._lists, self._nearby, self._valkey, self._slow = lists, nearby, valkey, slow
        self._firsts: Coalescer[int, First | None] = Coalescer(
            lambda viewers: valkey.call(lambda: lists.firsts(viewers))
        )
        self._roles: Coalescer[tuple[int, str], Role] = Coalescer(self._stand, fresh=True)
        self._putting: Coalescer[ToKeep, None] = Coalescer(self._put_all)

    async def put(self, viewer_id: int, frozen: FrozenList, *, first: bool) -> None:
        """Keep a list; ``first``: it answers first pages from now on. When it raises, this host alone has it."""
        body = encode(frozen)
        self._nearby.put(viewer_id, frozen.list_id, body)
        await self._putting.get(ToKeep(viewer_id, frozen.list_id, body, first))

    async def _put_all(self, lists: Sequence[ToKeep]) -> dict[ToKeep, None]:
        await self._valkey.call(lambda: self._lists.put_all(lists))
        return dict.fromkeys(lists)

    async def first(self, viewer_id: int, weights_version: str) -> KeptFirst | None:
        """The list for first pages; None when there is none, or none that was ranked with these weights."""
        found = await self._firsts.get(viewer_id)
        if found is None:
            return None
        try:
            frozen = decode(found.body)
        except ValueError:  # another version's list, found while versions change: as good as none
            return None
        if frozen.weights.version != weights_version:
            return None
        self._nearby.put(viewer_id, frozen.list_id, found.body)
        return KeptFirst(frozen, found.outdated)

    async def go_on(self, viewer_id: int, frozen: FrozenList) -> None:
        """An outdated list answers first pages for a while, so that not each of them has to ask. Raises nothing."""
        with suppress(StoreUnavailableError):
            await self._valkey.call(lambda: self._lists.go_on(viewer_id, frozen.list_id, GOES_ON_S))

    async def roles(self, asked: Sequence[tuple[int, str]]) -> list[Role]:
        """Of each viewer and list, how it stands with first pages."""
        if len(asked) == 1:
            return [await self._roles.get(asked[0])]
        found = await self._stand(asked)
        return [found[one] for one in asked]

    async def _stand(self, asked: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Role]:
        told = await self._valkey.call(lambda: self._lists.roles(asked, outdated_too=self._slow()))
        return dict(zip(asked, told, strict=True))

    async def of(self, at: Cursor) -> FrozenList:
        """The list that a cursor reads. Raises CursorExpiredError, too."""
        try:
            body = await self._valkey.call(lambda: self._lists.get(at.viewer_id, at.list_id))
        except StoreUnavailableError:
            body = self._nearby.get(at.viewer_id, at.list_id)
            looked_up("cursor", "local" if body else "away")
            if body is None:
                raise
        else:
            if body:
                looked_up("cursor", "valkey")
                self._nearby.put(at.viewer_id, at.list_id, body)
            else:
                body = await self._brought_back(at)
                looked_up("cursor", "local" if body else "miss")
        try:
            return decode(body or b"")
        except ValueError:
            raise CursorExpiredError("the list of this cursor has expired: start again without a cursor") from None

    async def _brought_back(self, at: Cursor) -> bytes | None:
        """A list that Valkey has lost, from this host; other hosts find it there again."""
        body = self._nearby.get(at.viewer_id, at.list_id)
        if body:
            with suppress(StoreUnavailableError):
                await self._putting.get(ToKeep(at.viewer_id, at.list_id, body, first=False))
        return body
