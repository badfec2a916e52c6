"""Records of follows, blocks and mutes: whose feed they change, and what is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nova_feed.stream.consumer import Received
from nova_feed.workers.relations import Relation, parse


def record(topic: str, row: Any) -> Received:
    return Received(topic, 0, 5, row if isinstance(row, bytes | None) else json.dumps(row).encode())


@pytest.mark.parametrize(
    ("topic", "row", "viewers"),
    [
        ("cdc.follows", {"follower_id": 1, "followee_id": 2}, (1,)),
        ("cdc.follows", {"follower_id": 1, "followee_id": 2, "__deleted": "true"}, (1,)),
        ("cdc.blocks", {"blocker_id": 1, "blocked_id": 2}, (1, 2)),
        ("cdc.mutes", {"muter_id": 1, "muted_id": 2}, (1,)),
    ],
)
def test_a_relation_changes_the_feeds_of_those_who_see_it(topic: str, row: Any, viewers: tuple[int, ...]) -> None:
    relation = parse(record(topic, row))
    assert relation == Relation(topic, 1, 2, 5)
    assert relation.viewers == viewers


@pytest.mark.parametrize(
    "row",
    [
        None, b"", b"\xff\xfe", b"{", b"[[]]", b"null", b"5", {}, {"follower_id": 1},
        {"follower_id": "1", "followee_id": 2},
        {"follower_id": True, "followee_id": 2}, {"follower_id": 2**63, "followee_id": 2},
        {"follower_id": 1.5, "followee_id": 2}, {"follower_id": -1, "followee_id": 2}, b'{"a":' * 5000,
    ],
)  # fmt: skip
def test_what_is_no_relation_is_passed_over(row: Any) -> None:
    assert parse(record("cdc.follows", row)) is None


@pytest.mark.parametrize(("op", "is_news"), [("r", False), ("c", True), ("u", True), ("d", True)])
def test_a_row_of_a_snapshot_is_no_news(op: str, is_news: bool) -> None:
    assert (parse(record("cdc.follows", {"follower_id": 1, "followee_id": 2, "__op": op})) is not None) is is_news
