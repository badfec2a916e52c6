"""Flags and configuration are valid as a whole, or refused with the name, the value and what would be right."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.errors import InvalidInputError
from nova_feed.feed.cursor import TAIL
from nova_feed.ranking import Saturation
from nova_feed.runtime.values import (
    CONFIG,
    FLAGS,
    LARGEST_BYTES,
    Runtime,
    differences,
    load,
    parse,
    read,
    with_config,
    with_flags,
)
from tests.unit.test_ranking_candidates import law

DEFAULTS = Runtime()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FLAGS, *CONFIG, "x"]), inner),
    max_leaves=8,
)


def numbers(name: str) -> st.SearchStrategy[Any]:
    number = CONFIG[name]
    if number.whole:
        return st.integers(int(number.least), int(number.most))
    return st.floats(max(number.least, 0.001), number.most)


RUNTIMES = st.builds(
    Runtime,
    version=st.integers(0, 2**62),
    **{name: st.booleans() for name in FLAGS},
    **{name: numbers(name) for name in CONFIG},
)


def refusal(document: object) -> str:
    with pytest.raises(InvalidInputError) as raised:
        parse(document, defaults=DEFAULTS, version=1)
    assert raised.value.errors
    return str(raised.value)


@law
@given(RUNTIMES)
def test_what_is_written_is_read_again(value: Runtime) -> None:
    assert load(json.dumps(value.document), defaults=DEFAULTS, version=value.version) == value


@law
@given(st.fixed_dictionaries({}, optional={"flags": JSON, "config": JSON, "more": JSON}) | JSON)
def test_any_document_is_valid_as_a_whole_or_refused_by_name(document: object) -> None:
    try:
        value = parse(document, defaults=DEFAULTS, version=1)
    except InvalidInputError:
        assert refusal(document)
        return
    assert all(CONFIG[name].takes(number) for name, number in value.config.items())
    assert all(isinstance(flag, bool) for flag in value.flags.values())


@law
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_text_is_json_or_refused(text: bytes | str) -> None:
    with contextlib.suppress(InvalidInputError):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", '{"flags": {"enable_caching": false}', "{} {}", "[1,", "NaN", '{"config": {"weight_affinity": NaN}}',
        '{"config": {"weight_affinity": Infinity}}', '{"flags": {}, "flags": {}}', "\ufeff{}", b"\xff\xfe",
        "[" * 30_000, "a: &a [*a, *a]", "flags:\n  enable_caching: no", "9" * 5_000, " " * (LARGEST_BYTES + 1),
    ],
)  # fmt: skip
def test_what_is_cut_off_doubled_nested_without_end_or_no_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidInputError):
        read(text)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), 1e308, -0.001, 1000.1, "1", None, True, []]
)
def test_a_weight_that_is_no_number_within_its_bounds_is_refused_with_what_would_be_right(value: object) -> None:
    told = refusal({"config": {"weight_freshness": value}})
    assert told.startswith("config.weight_freshness is ")
    assert told.endswith("it must be a number from 0 to 1000")


@pytest.mark.parametrize("value", [0, 3601, 1.0, 1.5, True, "60", None])
def test_a_lifetime_is_a_whole_number_within_its_bounds(value: object) -> None:
    assert refusal({"config": {"feed_ttl_s": value}}).endswith("it must be a whole number from 1 to 3600")


@pytest.mark.parametrize("value", [0, 1, "on", None, [], 0.0])
def test_a_flag_is_true_or_false(value: object) -> None:
    assert refusal({"flags": {"enable_caching": value}}).endswith("it must be true or false")


def test_weights_that_are_all_zero_are_refused() -> None:
    assert "are all 0" in refusal(
        {"config": dict.fromkeys(("weight_freshness", "weight_engagement", "weight_affinity"), 0)}
    )


def test_every_wrong_field_is_named_at_once() -> None:
    told = refusal({"flags": {"enable_cashing": True, "enable_caching": 1}, "config": {"feed_ttl_s": -1, "ttl": 1}})
    for name in (
        "flags.enable_cashing is unknown",
        "flags.enable_caching",
        "config.feed_ttl_s",
        "config.ttl is unknown",
    ):
        assert name in told


@pytest.mark.parametrize("document", [None, [], "x", 1, {"flag": {}}, {"flags": []}, {"config": None}])
def test_a_document_has_flags_and_config_and_nothing_else(document: object) -> None:
    assert refusal(document)


def test_what_a_document_does_not_name_is_as_in_the_defaults() -> None:
    defaults = Runtime(weight_affinity=0.7, enable_fallback=False)
    value = parse({"flags": {"enable_caching": False}}, defaults=defaults, version=3)
    assert (value.version, value.enable_caching, value.enable_fallback, value.weight_affinity) == (3, False, False, 0.7)


@law
@given(RUNTIMES, RUNTIMES)
def test_two_values_have_the_same_name_for_their_ranking_if_and_only_if_they_rank_alike(a: Runtime, b: Runtime) -> None:
    ranking = [name for name in CONFIG if name.startswith(("weight_", "author_"))]
    alike = all(getattr(a, name) == getattr(b, name) for name in ranking)
    assert (a.weights.version == b.weights.version) == alike
    same = Runtime(**{name: getattr(a, name) for name in ranking}, version=a.version + 1, enable_caching=False)
    assert same.weights.version == a.weights.version


def test_the_name_of_a_ranking_does_not_depend_on_how_a_number_is_written() -> None:
    one = parse({"config": {"weight_freshness": 1}}, defaults=DEFAULTS, version=1)
    other = parse({"config": {"weight_freshness": 1.0}}, defaults=DEFAULTS, version=1)
    assert one.weights == other.weights


@law
@given(RUNTIMES)
def test_the_author_rule_never_needs_more_authors_than_a_cursor_remembers(value: Runtime) -> None:
    assert value.saturation.memory <= TAIL


def test_version_0_ranks_as_the_ranker_does_by_itself() -> None:
    assert DEFAULTS.saturation == Saturation()
    assert (DEFAULTS.weights.freshness, DEFAULTS.weights.engagement, DEFAULTS.weights.affinity) == (0.3, 0.4, 0.3)


def test_some_flags_can_be_set_but_a_configuration_only_as_a_whole() -> None:
    assert with_flags(DEFAULTS, {"enable_caching": False}).flags == DEFAULTS.flags | {"enable_caching": False}
    whole = DEFAULTS.config | {"weight_freshness": 2}
    assert with_config(DEFAULTS, whole).config == whole
    for change, values in ((with_flags, {}), (with_config, {"weight_freshness": 2}), (with_config, whole | {"x": 1})):
        with pytest.raises(InvalidInputError):
            change(DEFAULTS, values)


@law
@given(RUNTIMES, RUNTIMES)
def test_differences_are_what_turns_one_into_the_other(a: Runtime, b: Runtime) -> None:
    found = differences(a, b)
    assert all(before != after for before, after in found.values())
    merged = a.flags | a.config | {name: after for name, (_, after) in found.items()}
    assert merged == b.flags | b.config
    assert differences(a, a) == {}
