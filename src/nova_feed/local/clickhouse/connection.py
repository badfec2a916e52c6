"""One connection to the embedded engine: it runs statements one after the other and forgets each completely."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from nova_feed.local.clickhouse.errors import ClickHouseError, Code
from nova_feed.local.clickhouse.state import State, transition

_LARGE_BYTES = 32 << 20
_PARAMETERS_KEPT_CHARS = 1 << 16


class Result(Protocol):
    """What chdb returns."""

    def bytes(self) -> bytes: ...
    def size(self) -> int: ...
    def rows_read(self) -> int: ...
    def bytes_read(self) -> int: ...
    def storage_rows_read(self) -> int: ...
    def storage_bytes_read(self) -> int: ...
    def elapsed(self) -> float: ...


class Engine(Protocol):
    """A chdb connection."""

    def query(self, query: str | bytes, output_format: str, /) -> Result: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Work:
    """One statement with all it depends on. ``sql`` holds exactly one statement."""

    sql: bytes
    state: State
    format: str
    leaves_state: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A result: its body, and what was read and returned (rows, bytes, seconds).

    For an INSERT with inline data ``rows`` and ``bytes`` are what was written.
    """

    body: bytes
    rows: int
    bytes: int
    read_rows: int
    read_bytes: int
    elapsed_s: float


class Connection:
    """Not thread-safe: one thread at a time."""

    def __init__(self, connect: Callable[[], Engine], base: Mapping[str, str], result_limit: int) -> None:
        self._connect, self._base, self._result_limit = connect, base, result_limit
        self._state = State()
        self._open()

    def execute(self, work: Work) -> Answer:
        """Run ``work``. Raises ClickHouseError; the connection can be used again all the same."""
        if set(self._state.parameters) - set(work.state.parameters):
            self._renew()  # there is no way to take back a parameter that an earlier request gave
        try:
            answer = self._run(work)
        except BaseException:
            # After an error the engine keeps what it had already written and puts it before the next result.
            self._renew()
            self._give_back_memory()
            raise
        if work.leaves_state or "readonly" in work.state.settings or _heavy(work.state.parameters):
            self._renew()
        if len(answer.body) > _LARGE_BYTES:
            self._give_back_memory()
        return answer

    def close(self) -> None:
        """Close. The last connection of a process to be closed ends the engine."""
        self._engine.close()

    def _run(self, work: Work) -> Answer:
        preamble = transition(self._state, work.state, self._base)
        try:
            result = self._engine.query(preamble.encode() + work.sql, work.format)
        except RuntimeError as error:
            raise ClickHouseError.from_engine(str(error)) from error
        self._state = work.state
        if result.size() > self._result_limit:
            raise _too_large(result.size(), self._result_limit)
        return Answer(
            result.bytes(), result.rows_read(), result.bytes_read(),
            result.storage_rows_read(), result.storage_bytes_read(), result.elapsed(),
        )  # fmt: skip

    def _open(self) -> None:
        self._engine, self._state = self._connect(), State()
        self._engine.query(transition(State(), State(settings=self._base), {}), "Null")

    def _renew(self) -> None:
        old = self._engine
        self._open()
        old.close()

    def _give_back_memory(self) -> None:
        # The allocator returns freed pages only while it is busy: an idle server would keep the peak for ever.
        with suppress(RuntimeError):  # an engine built without jemalloc has nothing to purge
            self._engine.query("SYSTEM JEMALLOC PURGE", "Null")


def _heavy(parameters: Mapping[str, str]) -> bool:
    return sum(map(len, parameters.values())) > _PARAMETERS_KEPT_CHARS


def _too_large(size: int, limit: int) -> ClickHouseError:
    return ClickHouseError.of(
        Code.TOO_MANY_ROWS_OR_BYTES, f"Limit for result exceeded, max bytes: {limit}, current bytes: {size}"
    )
