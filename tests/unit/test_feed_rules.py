"""Whether a row of a frozen list may still be shown."""

from __future__ import annotations

from itertools import product

import pytest

from nova_feed.feed.rules import PageRules


@pytest.mark.parametrize(("exists", "hidden", "follows", "followed"), list(product([True, False], repeat=4)))
def test_a_post_is_shown_if_it_exists_and_its_author_is_neither_hidden_nor_unfollowed(
    *, exists: bool, hidden: bool, follows: bool, followed: bool
) -> None:
    rules = PageRules(
        existing=frozenset({1} if exists else ()),
        hidden_authors=frozenset({2} if hidden else ()),
        followed=frozenset({2} if follows else ()),
    )
    unfollowed = followed and not follows
    assert rules.allows(1, 2, was_followed=followed) == (exists and not hidden and not unfollowed)
