"""How long a page waits for ClickHouse."""

from __future__ import annotations

import pytest

from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.breaker import Breaker
from nova_feed.feed.patience import LONG_S, SHORT_S, patience_s
from tests.unit.test_clock import VirtualClock


@pytest.mark.parametrize(
    ("silent_s", "waits_s"), [(0.0, LONG_S), (0.3, LONG_S - 0.3), (LONG_S - SHORT_S, SHORT_S), (5.0, SHORT_S)]
)
def test_of_a_store_that_is_silent_nobody_waits_for_the_end_of_its_deadline(silent_s: float, waits_s: float) -> None:
    assert patience_s(Breaker("clickhouse", VirtualClock()), silent_s) == pytest.approx(waits_s)


async def test_after_a_failure_there_is_little_patience_until_the_next_success() -> None:
    breaker = Breaker("clickhouse", VirtualClock())

    async def asked(*, away: bool) -> None:
        if away:
            raise StoreUnavailableError("clickhouse", "no answer")

    with pytest.raises(StoreUnavailableError):
        await breaker.call(lambda: asked(away=True))
    assert patience_s(breaker, 0.0) == SHORT_S
    await breaker.call(lambda: asked(away=False))
    assert patience_s(breaker, 0.0) == LONG_S
