"""How far a member of a consumer group is, partition by partition: what was handed out, done, committed. Pure.

A commit may only ever name what is done, and only of a partition that is held: a late answer about a partition that
was given away, and perhaps taken back since, must not move what its new holder says. Hence the ``Claim``: one hold of
one partition, from its assignment to its revocation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Place = tuple[str, int]  # topic, partition


@dataclass(slots=True, eq=False)
class Claim:
    """One hold of a partition. Offsets name the next record: ``done`` is what may be committed, once it is not None."""

    place: Place
    done: int | None = None
    committed: int | None = None
    held: bool = True


class Progress:
    """All partitions of one member. Not safe for threads by itself: the consumer calls it under its lock."""

    def __init__(self) -> None:
        self._claims: dict[Place, Claim] = {}

    def assign(self, place: Place, position: int | None = None) -> Claim:
        """The partition is held from now on. ``position``: where reading starts, when that is to be committed."""
        self.revoke([place])
        claim = self._claims[place] = Claim(place, done=position)
        return claim

    def revoke(self, places: Iterable[Place]) -> dict[Place, int]:
        """The partitions are held no more; returns what of them is done and not committed."""
        left: dict[Place, int] = {}
        for place in places:
            claim = self._claims.pop(place, None)
            if claim is not None:
                claim.held = False
                left.update(_open([claim]))
        return left

    def claim(self, place: Place) -> Claim | None:
        """The present hold of a partition; None when it is not held."""
        return self._claims.get(place)

    def finish(self, claim: Claim, offset: int) -> None:
        """Everything before ``offset`` is done; without effect when the claim is over, or was further already."""
        if claim.held and (claim.done is None or offset > claim.done):
            claim.done = offset

    def to_commit(self) -> dict[Place, int]:
        """What is done and not committed, of all partitions held."""
        return _open(self._claims.values())

    def committed(self, place: Place, offset: int) -> None:
        """The group coordinator has it."""
        claim = self._claims.get(place)
        if claim is not None:
            claim.committed = offset


def _open(claims: Iterable[Claim]) -> dict[Place, int]:
    return {claim.place: claim.done for claim in claims if claim.done is not None and claim.done != claim.committed}
