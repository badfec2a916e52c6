"""A ranked list, frozen: what it takes to serve, explain and recompute it, as bytes.

Scores are not stored: they follow from the inputs, the moment and the weights, bit for bit.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt

from nova_feed.ranking import Candidates, Ranked, Removed, Scores, Weights, among, score

_COLUMNS = ("post_id", "author_id", "created_ms", "likes", "comments", "shares", "exposures", "interactions", "sources")
_ROW = np.dtype(
    [
        *((name, "<i8") for name in _COLUMNS[:-1]),
        ("sources", "u1"),
        ("rank_before", "<u2"),
        ("propensity", "<f8"),
        ("relaxed", "?"),
        ("seen", "?"),
        ("followed", "?"),
    ]
)
LONGEST = 500
Ints = npt.NDArray[np.int64]
NOBODY: Ints = np.empty(0, dtype=np.int64)


class _Head(msgspec.Struct, array_like=True):
    list_id: str
    as_of_ms: int
    source: str
    reason: str
    cold: bool
    weights: Weights
    rows: int


@dataclass(frozen=True, eq=False)
class FrozenList:
    """The list a cursor reads from. ``source`` is ``ranked`` or ``timeline``; ``reason`` says why it is the latter.

    ``seen``: rows that the viewer has had before, shown again because there was too little else. ``cold``: nothing was
    known of the viewer; ``propensity`` as in ``Ranked``. ``followed``: rows of authors whom the viewer followed when
    the list was ranked, whatever proposed the row.
    """

    list_id: str
    as_of_ms: int
    source: str
    reason: str
    cold: bool
    weights: Weights
    candidates: Candidates
    rank_before: np.ndarray[tuple[int], np.dtype[np.int64]]
    propensity: np.ndarray[tuple[int], np.dtype[np.float64]]
    relaxed: np.ndarray[tuple[int], np.dtype[np.bool_]]
    seen: np.ndarray[tuple[int], np.dtype[np.bool_]]
    followed: np.ndarray[tuple[int], np.dtype[np.bool_]]

    def __len__(self) -> int:
        return len(self.candidates)

    @cached_property
    def scores(self) -> Scores:
        """Computed anew: the same bits as when the list was ranked."""
        return score(self.candidates, self.as_of_ms, self.weights)

    def as_ranked(self) -> Ranked:
        """The list in the form that explanations are made from."""
        return Ranked(
            candidates=self.candidates, scores=self.scores, rank_before=self.rank_before, relaxed=self.relaxed,
            propensity=self.propensity,
            removed=_NOTHING_REMOVED, now_ms=self.as_of_ms, weights=self.weights, start=0, counts=(),
        )  # fmt: skip


_NOTHING_REMOVED = Removed(np.empty(0, np.int64), np.empty(0, np.uint8))


def freeze(
    ranked: Ranked, source: str, reason: str = "", again: Ranked | None = None, *,
    followees: Ints = NOBODY, cold: bool = False,
) -> FrozenList:  # fmt: skip
    """Give a ranked list its identity: 9 random bytes as base64url. ``again``: rows shown before, that follow it.

    ``followees``: whom the viewer follows, as far as they have rows here.
    """
    parts = [ranked] if again is None else [ranked, again]
    candidates = Candidates.concat([part.candidates for part in parts])
    return FrozenList(
        secrets.token_urlsafe(9), ranked.now_ms, source, reason, cold, ranked.weights, candidates,
        np.concatenate([part.rank_before for part in parts]),
        np.concatenate([part.propensity for part in parts]),
        np.concatenate([part.relaxed for part in parts]),
        np.repeat([False, True][: len(parts)], [len(part) for part in parts]),
        among(candidates.author_id, followees),
    )  # fmt: skip


def encode(frozen: FrozenList) -> bytes:
    """Header length (u32), header (MessagePack), rows."""
    head = msgspec.msgpack.encode(
        _Head(frozen.list_id, frozen.as_of_ms, frozen.source, frozen.reason, frozen.cold, frozen.weights, len(frozen))
    )
    rows = np.empty(len(frozen), dtype=_ROW)
    for name in _COLUMNS:
        rows[name] = getattr(frozen.candidates, name)
    for name in ("rank_before", "propensity", "relaxed", "seen", "followed"):
        rows[name] = getattr(frozen, name)
    return len(head).to_bytes(4, "big") + head + rows.tobytes()


def decode(body: bytes) -> FrozenList:
    """Read what ``encode`` wrote. Raises ValueError for anything else."""
    end = 4 + int.from_bytes(body[:4], "big")
    try:
        head = msgspec.msgpack.decode(body[4:end], type=_Head)
    except msgspec.MsgspecError as error:
        raise ValueError("not a frozen list") from error
    if len(body) - end != head.rows * _ROW.itemsize:
        raise ValueError(f"a frozen list of {head.rows} rows cannot have {len(body) - end} bytes of them")
    rows = np.frombuffer(body, dtype=_ROW, offset=end)
    columns = {name: np.ascontiguousarray(rows[name]) for name in _COLUMNS}
    return FrozenList(
        head.list_id, head.as_of_ms, head.source, head.reason, head.cold, head.weights,
        Candidates(**columns), rows["rank_before"].astype(np.int64), rows["propensity"].copy(),
        rows["relaxed"].copy(), rows["seen"].copy(), rows["followed"].copy(),
    )  # fmt: skip
