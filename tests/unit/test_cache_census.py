"""Keys by family, and what is wrong with them."""

from __future__ import annotations

import pytest

from nova_feed.cache.census import NO_FAMILY, Family, family_of
from nova_feed.cache.keys import ALL, Key


@pytest.mark.parametrize("key", ALL, ids=lambda key: key.template)
def test_every_key_of_ours_is_of_its_own_family(key: Key) -> None:
    parts = [str(number) for number in range(key.template.count("{}"))]
    assert family_of(key.of(*parts).encode()) == key.template


@pytest.mark.parametrize(
    "key", [b"", b"feed", b"feed:v1", b"feed:v1:", b"feed:v2:1", b"session:1", b"x feed:v1:1", b"list:v1:1"]
)
def test_other_keys_are_of_no_family(key: bytes) -> None:
    assert family_of(key) == NO_FAMILY


def test_the_weight_of_a_family_is_judged_by_its_sample() -> None:
    assert Family("a", "", 10, count=1000, mean_bytes=72.5).bytes == 72_500


def test_a_family_that_keeps_its_promise_is_not_warned_of() -> None:
    assert not Family("a", "", 10, count=5, least_ttl_s=1, most_ttl_s=10).warnings()


@pytest.mark.parametrize(
    ("family", "said"),
    [
        (Family("a:{}", "", 10, count=5, endless=2, examples=["a:1"]), "a:{}: 2 keys without a TTL (for example a:1)"),
        (Family("a:{}", "", 10, count=5, most_ttl_s=11), "a:{}: a key has 11 s to live, 10 s are promised"),
        (Family(NO_FAMILY, "", 0, count=1, examples=["x"]), "1 keys of no family (for example x)"),
    ],
)
def test_what_should_not_be_is_said(family: Family, said: str) -> None:
    [warning] = family.warnings()
    assert warning.startswith(said)
