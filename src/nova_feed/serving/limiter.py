"""Rate limits across processes, without asking anybody before a request is answered.

Each process judges by its own view of a caller's backlog and reports behind the answer what it let through; the answer
of Valkey, which knows what the others reported, corrects the view. So W processes together allow at most W times two
chunks (two hundredths of the quota) beyond the limit, and that once, not in each window: what is reported counts. What
is reported late is earned back late, so it may be as much less, too. When Valkey is away each process keeps the whole
limit by itself; what it let through meanwhile and is not yet earned back is charged when Valkey answers again.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.ops import metrics
from nova_feed.serving.gcra import Quota, Verdict, judge

Spend = Callable[[str, str, float, float], Awaitable[float]]
MOST_CALLERS = 20_000
ALONE_S = 1.0  # so long Valkey is not asked after it did not answer
_NEAR_THE_END = 10  # chunks left: from here on every request is reported
_AT_ONCE = 8  # reports of one limit under way


class _Account:
    """One caller: ``free_at`` (monotonic) is when its backlog is gone; ``open`` units are not known to be reported."""

    __slots__ = ("free_at", "open", "report")

    def __init__(self) -> None:
        self.free_at, self.open = 0.0, 0
        self.report: asyncio.Task[None] | None = None


class Limiter:
    """One limit. Keeps the accounts of the ``most`` callers that asked last; who is forgotten starts anew here."""

    def __init__(self, name: str, quota: Quota, spend: Spend, clock: Clock, *, most: int = MOST_CALLERS) -> None:
        self.name, self.quota = name, quota
        self._spend, self._clock, self._most, self._chunk = spend, clock, most, quota.chunk
        self._accounts: OrderedDict[str, _Account] = OrderedDict()
        self._alone_until = 0.0
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def __len__(self) -> int:
        return len(self._accounts)

    async def take(self, caller: str, units: int = 1) -> Verdict:
        """Spend ``units`` if the caller has as many left; all of them or none.

        Waits for nobody, unless the caller spends two chunks before a report under way is answered (0.1 s at most).
        """
        account, now, chunk = self._account(caller), self._clock.monotonic(), self._chunk
        while account.open and account.open + units > 2 * chunk and now >= self._alone_until:
            # One report of a caller is under way at a time: all that would spend more wait for the same one.
            await asyncio.wait([account.report or self._start_report(caller, account)])
            now = self._clock.monotonic()
        verdict = judge(self.quota, max(0.0, account.free_at - now), units)
        if verdict.allowed:
            self._book(caller, account, verdict, units, now)
        else:
            metrics.RATE_LIMITED.labels(self.name).inc()
        return verdict

    def take_now(self, caller: str, units: int = 1) -> Verdict | None:
        """As ``take``, where nobody is waited for; None, with nothing spent, when it would wait or refuse."""
        account, now = self._account(caller), self._clock.monotonic()
        if account.open and account.open + units > 2 * self._chunk and now >= self._alone_until:
            return None
        verdict = judge(self.quota, max(0.0, account.free_at - now), units)
        if not verdict.allowed:
            return None
        self._book(caller, account, verdict, units, now)
        return verdict

    def _book(self, caller: str, account: _Account, verdict: Verdict, units: int, now: float) -> None:
        account.free_at = now + verdict.full_in_s
        account.open += units
        due = account.open >= self._chunk or verdict.remaining < _NEAR_THE_END * self._chunk
        if due and account.report is None and now >= self._alone_until:
            self._start_report(caller, account)

    def _account(self, caller: str) -> _Account:
        account = self._accounts.get(caller)
        if account is None:
            if len(self._accounts) >= self._most:
                self._accounts.popitem(last=False)
            account = self._accounts[caller] = _Account()
        else:
            self._accounts.move_to_end(caller)
        return account

    def _start_report(self, caller: str, account: _Account) -> asyncio.Task[None]:
        account.report = asyncio.create_task(self._report(caller, account))
        return account.report

    async def _report(self, caller: str, account: _Account) -> None:
        interval_s = self.quota.interval_s
        try:
            async with self._turns:
                known = account.open
                backlog_s = await self._spend(self.name, caller, self._owed(account) * interval_s, self.quota.window_s)
        except StoreUnavailableError:  # what is open stays so
            self._alone_until = self._clock.monotonic() + ALONE_S
            metrics.RATE_REPORTS.labels("failed").inc()
        else:
            account.open -= known
            # The own view is never above the truth; the larger of both holds when Valkey has lost its keys, too.
            account.free_at = max(account.free_at, self._clock.monotonic() + backlog_s + account.open * interval_s)
            metrics.RATE_REPORTS.labels("done").inc()
        finally:
            account.report = None

    def _owed(self, account: _Account) -> int:
        """Units to report. More than two chunks are open only after Valkey was away: then part is earned back."""
        if account.open <= 2 * self._chunk:
            return account.open
        backlog_s = max(0.0, account.free_at - self._clock.monotonic())
        return min(account.open, math.ceil(backlog_s / self.quota.interval_s))
