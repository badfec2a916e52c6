import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.local.sample.draw import Ints, Stream
from nova_feed.local.sample.pairs import apportion, distinct_pairs


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=50), st.integers(0, 1000), st.integers(1, 100))
def test_shares_add_up_to_the_total_and_respect_the_cap(weights: list[float], total: int, cap: int) -> None:
    cap = max(cap, -(-total // len(weights)))
    shares = apportion(np.array(weights), total, cap)
    assert shares.sum() == total
    assert shares.min() >= 0
    assert shares.max() <= cap + 1


def test_who_weighs_nothing_gets_nothing() -> None:
    assert apportion(np.array([1.0, 0.0, 1.0]), 10, 10).tolist() == [5, 0, 5]


def test_a_cap_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be shared out"):
        apportion(np.ones(3), 100, 10)


@given(st.integers(0, 2**32), st.lists(st.integers(0, 8), min_size=1, max_size=30))
def test_every_row_gets_exactly_its_quota_of_distinct_allowed_columns(seed: int, quota: list[int]) -> None:
    stream = Stream(seed)

    def propose(rows: Ints, attempt: int) -> Ints:
        return stream.below(12, len(rows))

    rows, columns = distinct_pairs(np.array(quota), 12, propose, lambda row, column: (row + column) % 4 != 0)
    assert np.bincount(rows, minlength=len(quota)).tolist() == quota
    assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == sum(quota)
    assert ((rows + columns) % 4 != 0).all()


def test_quotas_that_cannot_be_filled_are_refused() -> None:
    with pytest.raises(ValueError, match="could not be found"):
        distinct_pairs(np.array([3]), 2, lambda rows, attempt: rows * 0, lambda rows, columns: rows == rows)
