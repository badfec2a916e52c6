"""What is visible in ClickHouse: read as it is, judged elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from nova_feed.store.client import Store
from tests.faults.checker import COUNTED, Row, Visible

_ROWS = """
SELECT event_id, seq, post_id, user_id, CAST(action AS String) AS action, toInt64(count()) AS copies
FROM events WHERE post_id IN {posts:Array(Int64)} GROUP BY event_id, seq, post_id, user_id, action
"""
_FINAL = """
SELECT event_id, toInt64(count()) AS n FROM events FINAL WHERE post_id IN {posts:Array(Int64)} GROUP BY event_id
"""
_POSTS = """
SELECT post_id, toInt64(uniqExactMerge(impressions)) AS impression, toInt64(uniqExactMerge(views)) AS view,
    toInt64(uniqExactMerge(clicks)) AS click, toInt64(uniqExactMerge(likes)) AS `like`,
    toInt64(uniqExactMerge(comments)) AS comment, toInt64(uniqExactMerge(shares)) AS share
FROM post_metrics_1h WHERE post_id IN {posts:Array(Int64)} GROUP BY post_id
"""
_PAIRS = """
SELECT user_id, author_id, toInt64(uniqExactMerge(interactions)) AS n
FROM user_author_90d WHERE author_id IN {authors:Array(Int64)} GROUP BY user_id, author_id
"""
AT_A_TIME = 20_000  # ids in one question
_SHOWN = "SELECT post_id, exposures AS impression, shares AS share FROM hot_posts WHERE post_id IN {posts:Array(Int64)}"


async def events_of(store: Store, posts: Sequence[int], authors: Sequence[int]) -> Visible:
    """All there is of these posts and authors. Raises StoreUnavailableError."""
    rows = await store.sql(_ROWS, posts=list(posts))
    final = await store.sql(_FINAL, posts=list(posts))
    pairs = await store.sql(_PAIRS, authors=list(authors))
    names = ("event_id", "seq", "post_id", "user_id", "action", "copies")
    return Visible(
        rows=[Row(str(e), int(s), int(p), int(u), str(a), int(n)) for e, s, p, u, a, n in _zip(rows, names)],
        final=Counter({str(e): int(n) for e, n in _zip(final, ("event_id", "n"))}),
        posts=_by_action(await store.sql(_POSTS, posts=list(posts)), COUNTED),
        pairs={(int(u), int(a)): int(n) for u, a, n in _zip(pairs, ("user_id", "author_id", "n"))},
        shown=_by_action(await store.sql(_SHOWN, posts=list(posts)), ("impression", "share")),
    )


async def ids_of(store: Store, table: str, column: str, values: Sequence[int]) -> list[int]:
    """The ids of the rows of a captured table that are there, by the values of a column."""
    sql = f"SELECT id FROM {table} FINAL WHERE {column} IN {{values:Array(Int64)}}"
    parts = [list(values[at : at + AT_A_TIME]) for at in range(0, len(values), AT_A_TIME)]
    return [int(number) for part in parts for number in (await store.sql(sql, values=part))["id"]]


async def names_of(store: Store, posts: Sequence[int]) -> set[str]:
    """The event ids of these posts' events that are there."""
    rows = await store.sql("SELECT DISTINCT event_id FROM events WHERE post_id IN {p:Array(Int64)}", p=list(posts))
    return {str(name) for name in rows["event_id"]}


async def count_of(store: Store, posts: Sequence[int]) -> int:
    """How many rows of these posts are on disk."""
    rows = await store.sql("SELECT toInt64(count()) AS n FROM events WHERE post_id IN {p:Array(Int64)}", p=list(posts))
    return int(rows["n"][0])


def _zip(columns: Any, names: Sequence[str]) -> Any:
    return zip(*(columns[name].tolist() for name in names), strict=True)


def _by_action(columns: Any, actions: Sequence[str]) -> dict[tuple[int, str], int]:
    """(post, action) -> count, without the zeros."""
    found: dict[tuple[int, str], int] = {}
    for action in actions:
        found |= {(int(post), action): int(n) for post, n in _zip(columns, ("post_id", action)) if n}
    return found
