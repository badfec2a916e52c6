"""How long a page waits for ClickHouse."""

from __future__ import annotations

import pytest

from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.breaker import Breaker
from nova_feed.feed.patience import LONG_S, SHORT_S, patience_s
from tests.unit.test_clock import VirtualClock


@pytest.mark.parametrize(
    ("silent_s", "waited_s", "crowded", "left_s"),
    [
        (0.0, 0.0, False, LONG_S),
        (0.3, 0.0, False, LONG_S - 0.3),  # from the moment on when it was asked
        (5.0, 0.0, False, SHORT_S),
        (5.0, SHORT_S, True, 0.0),
        (0.1, 0.9, False, LONG_S - 0.9),  # others are answered, this page has waited
        (0.1, LONG_S, False, 0.0),
        (0.1, LONG_S, True, LONG_S - 0.1),  # among many: their turn comes
        (LONG_S, 2.0, True, 0.0),
    ],
)
def test_a_page_waits_a_second_for_a_store_and_longer_only_in_a_crowd_that_is_answered(
    silent_s: float, waited_s: float, crowded: bool, left_s: float
) -> None:
    breaker = Breaker("clickhouse", VirtualClock())
    told = patience_s(breaker, silent_s=silent_s, waited_s=waited_s, crowded=crowded)
    assert told == pytest.approx(left_s, abs=1e-9)


async def test_after_a_failure_there_is_little_patience_until_the_next_success() -> None:
    breaker = Breaker("clickhouse", VirtualClock())

    async def asked(*, away: bool) -> None:
        if away:
            raise StoreUnavailableError("clickhouse", "no answer")

    with pytest.raises(StoreUnavailableError):
        await breaker.call(lambda: asked(away=True))
    assert patience_s(breaker, silent_s=0.0, waited_s=0.0, crowded=True) == SHORT_S
    await breaker.call(lambda: asked(away=False))
    assert patience_s(breaker, silent_s=0.0, waited_s=0.0, crowded=False) == LONG_S
