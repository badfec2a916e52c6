"""A ranked list, frozen: what it takes to serve, explain and recompute it, as bytes.

Scores are not stored: they follow from the inputs, the moment and the weights, bit for bit. A column of whole numbers
is stored as its least value and the differences from it, in as few bytes as the greatest of them takes (frame of
reference; Goldstein, Ramakrishnan and Shaft 1998): 500 rows are some 10 KB instead of 40.
"""

from __future__ import annotations

import secrets
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from nova_feed.ranking import COLUMNS, Candidates, Ranked, Removed, Scores, Weights, among, score

_FLAGS = ("relaxed", "seen", "followed")
_WIDTHS: tuple[Literal[0, 1, 2, 4, 8], ...] = (0, 1, 2, 4, 8)
_ENDS = tuple(1 << 8 * width for width in _WIDTHS)  # how many numbers as many bytes can tell apart
LONGEST = 500
Ints = npt.NDArray[np.int64]
NOBODY: Ints = np.empty(0, dtype=np.int64)


class _Column(msgspec.Struct, array_like=True):
    """Numbers from ``least`` on, each in ``width`` bytes; in none when they are all the same."""

    width: Literal[0, 1, 2, 4, 8]
    least: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _Head(msgspec.Struct, array_like=True):
    list_id: str
    as_of_ms: int
    source: str
    reason: str
    cold: bool
    weights: Weights
    rows: int
    columns: Annotated[list[_Column], msgspec.Meta(min_length=len(COLUMNS) + 1, max_length=len(COLUMNS) + 1)]
    drawn: bool  # whether there are propensities


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
    frozen = FrozenList(
        secrets.token_urlsafe(9), ranked.now_ms, source, reason, cold, ranked.weights, candidates,
        np.concatenate([part.rank_before for part in parts]),
        np.concatenate([part.propensity for part in parts]),
        np.concatenate([part.relaxed for part in parts]),
        np.repeat([False, True][: len(parts)], [len(part) for part in parts]),
        among(candidates.author_id, followees),
    )  # fmt: skip
    if again is None:
        vars(frozen)["scores"] = ranked.scores  # what the property would compute
    return frozen


def encode(frozen: FrozenList) -> bytes:
    """Header length (u32), header (MessagePack), then one column after the other."""
    columns, bodies = _pack(np.concatenate([frozen.candidates.table.T, frozen.rank_before[np.newaxis]]))
    drawn = bool(frozen.propensity.any())
    head = msgspec.msgpack.encode(
        _Head(
            frozen.list_id, frozen.as_of_ms, frozen.source, frozen.reason, frozen.cold, frozen.weights, len(frozen),
            columns, drawn,
        )
    )  # fmt: skip
    flags = [np.packbits(getattr(frozen, name)).tobytes() for name in _FLAGS]
    propensity = frozen.propensity.astype("<f8").tobytes() if drawn else b""
    return b"".join([len(head).to_bytes(4, "big"), head, *bodies, *flags, propensity])


def decode(body: bytes) -> FrozenList:
    """Read what ``encode`` wrote. Raises ValueError for anything else."""
    at = 4 + int.from_bytes(body[:4], "big")
    try:
        head = msgspec.msgpack.decode(body[4:at], type=_Head)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError("not a frozen list") from error
    rows, bits = head.rows, -(-head.rows // 8)
    sizes = [column.width * rows for column in head.columns] + [bits] * len(_FLAGS) + [8 * rows * head.drawn]
    if rows < 0 or len(body) - at != sum(sizes):
        raise ValueError(f"a frozen list of {rows} rows cannot have {len(body) - at} bytes of them")
    parts = []
    for size in sizes:
        parts.append(body[at : at + size])
        at += size
    numbers = _unpack(head.columns, parts, rows)
    flags = [np.unpackbits(np.frombuffer(part, np.uint8), count=rows).view(np.bool_) for part in parts[-4:-1]]
    return FrozenList(
        head.list_id, head.as_of_ms, head.source, head.reason, head.cold, head.weights,
        Candidates(numbers[:-1].T.copy()), numbers[-1],
        np.frombuffer(parts[-1], "<f8") if head.drawn else np.zeros(rows), *flags,
    )  # fmt: skip


def _pack(numbers: Ints) -> tuple[list[_Column], list[bytes]]:
    """Rows of a table become columns of bytes. Differences that int64 cannot hold wrap around, here and back."""
    if not numbers.shape[1]:
        return [_Column(0, 0)] * len(numbers), []
    least, most = numbers.min(axis=1), numbers.max(axis=1)
    numbers = numbers - least[:, np.newaxis]
    columns, bodies = [], []
    for row, low, high in zip(numbers, least.tolist(), most.tolist(), strict=True):
        width = bisect_left(_ENDS, high - low + 1)
        columns.append(_Column(_WIDTHS[width], low))
        if width:
            bodies.append(row.astype(f"<u{_WIDTHS[width]}").tobytes())
    return columns, bodies


def _unpack(columns: Sequence[_Column], bodies: Sequence[bytes], rows: int) -> Ints:
    numbers = np.zeros((len(columns), rows), dtype=np.int64)
    for row, column, body in zip(numbers, columns, bodies, strict=False):
        if column.width:
            row[:] = np.frombuffer(body, dtype=f"<u{column.width}")
    numbers += np.array([column.least for column in columns])[:, np.newaxis]
    return numbers
