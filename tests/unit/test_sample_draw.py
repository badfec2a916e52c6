import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.local.sample.draw import Groups, Stream

seeds = st.integers(0, 2**64)


def test_the_first_draws_of_a_stream_never_change() -> None:
    stream = Stream(7, 3, 1)
    assert [int(word) for word in stream.raw(2)] == [6161140148142232893, 16474608695889017726]
    assert stream.unit(2).tolist() == [0.008450133458041575, 0.9718183776129243]
    assert stream.below(1000, 3).tolist() == [582, 547, 415]


@given(seeds)
def test_streams_of_different_paths_differ(seed: int) -> None:
    assert Stream(seed, 1).raw(4).tolist() != Stream(seed, 2).raw(4).tolist()


@given(seeds, st.integers(1, 10**9))
def test_integers_stay_below_their_bound(seed: int, high: int) -> None:
    stream = Stream(seed)
    drawn = stream.below(high, 50)
    assert drawn.min() >= 0
    assert drawn.max() < high
    assert 0 <= stream.number(high) < high


@given(seeds, st.lists(st.floats(0, 10), min_size=1, max_size=30).filter(lambda weights: sum(weights) > 0.01))
def test_what_weighs_nothing_is_never_chosen(seed: int, weights: list[float]) -> None:
    chosen = Stream(seed).chosen(np.array(weights), 100)
    assert all(weights[index] > 0 for index in chosen)


def test_what_weighs_three_times_as_much_is_chosen_three_times_as_often() -> None:
    chosen = Stream(1).chosen(np.array([1.0, 3.0]), 40_000)
    assert abs(float(chosen.mean()) - 0.75) < 0.01


@given(seeds)
def test_a_pick_comes_from_its_group(seed: int) -> None:
    stream = Stream(seed)
    labels = stream.below(5, 60)
    labels[:5] = np.arange(5)
    asked = stream.below(5, 200)
    picked = Groups(labels, 0.1 + stream.unit(60), 5).pick(asked, stream)
    assert (labels[picked] == asked).all()


def test_a_group_that_weighs_nothing_is_served_by_everybody() -> None:
    groups = Groups(np.array([0, 0, 1]), np.array([1.0, 1.0, 0.0]), 3)
    assert set(groups.pick(np.array([1, 2] * 50), Stream(1)).tolist()) == {0, 1}


def test_pareto_has_a_few_giants_and_many_dwarfs() -> None:
    drawn = np.sort(Stream(3).pareto(10_000, cap=1e9))
    assert drawn[0] >= 1
    assert np.median(drawn) < 2
    assert drawn[-100:].sum() > 0.15 * drawn.sum()


@given(seeds, st.integers(0, 200))
def test_a_shuffle_keeps_every_number_once(seed: int, n: int) -> None:
    assert sorted(Stream(seed).shuffled(n).tolist()) == list(range(n))
