"""A set one can draw from: adding, removing, asking and drawing each take constant time."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, TypeVar

from nova_feed.local.sample.draw import Stream

T = TypeVar("T", bound=Hashable)


class Bag(Generic[T]):
    """Distinct items. The order is that of adding, until something is removed."""

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._items: list[T] = []
        self._place: dict[T, int] = {}
        for item in items:
            self.add(item)

    def add(self, item: T) -> None:
        """Put it in, unless it is there."""
        if item not in self._place:
            self._place[item] = len(self._items)
            self._items.append(item)

    def discard(self, item: T) -> None:
        """Take it out, if it is there."""
        place = self._place.pop(item, None)
        if place is None:
            return
        last = self._items.pop()
        if place < len(self._items):
            self._items[place], self._place[last] = last, place

    def draw(self, stream: Stream) -> T | None:
        """Any item, each equally likely; it stays in. None when there is none."""
        return self._items[stream.number(len(self._items))] if self._items else None

    def __contains__(self, item: object) -> bool:
        return item in self._place

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
