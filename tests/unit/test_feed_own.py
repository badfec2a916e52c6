"""The lists of one process."""

from __future__ import annotations

from nova_feed.feed.own import OwnLists


def test_a_list_is_its_viewers_and_the_ones_used_last_stay() -> None:
    own = OwnLists(most_bytes=30)
    for name in ("a", "b", "c"):
        own.put(7, name, b"x" * 10)
    assert own.get(8, "a") is None
    assert own.get(7, "a") == b"x" * 10
    own.put(7, "d", b"y" * 10)
    assert [name for name in "abcd" if own.get(7, name)] == ["a", "c", "d"]
    own.put(7, "d", b"z" * 5)  # again: it counts once
    own.put(7, "e", b"z" * 5)
    assert [name for name in "acde" if own.get(7, name)] == ["a", "c", "d", "e"]


def test_what_valkey_took_is_not_here_alone_any_more() -> None:
    own = OwnLists()
    own.put(7, "a", b"x", only_here=True)
    assert own.get(7, "a", only_here=True) == b"x"
    own.put(7, "a", b"x")
    assert own.get(7, "a", only_here=True) is None
    assert own.get(7, "a") == b"x"
    own.put(7, "huge", b"x" * (64 << 20))
    assert own.get(7, "huge") is None
