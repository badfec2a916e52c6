"""``nova audit``: read the feeds of many viewers to the end, as their apps do, and judge every page.

Pages come through HTTP. The list they were cut from is read from Valkey, and what the viewer must not see from
PostgreSQL, after the answer. Both go on changing meanwhile, and what is removed has a second to be gone; so a page that
seems to break a rule is asked for again after that second, and only what is wrong again, by PostgreSQL's word again, is
counted: the same place of the same list, and the first page also as an app asks for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
from rich.console import Console

from nova_feed.cache.lists import ListCache
from nova_feed.clock import rfc3339
from nova_feed.commands.token import mint_for
from nova_feed.errors import NovaError, StoreUnavailableError
from nova_feed.feed.cursor import Cursor, CursorSigner
from nova_feed.feed.frozen import FrozenList, decode
from nova_feed.feed.laws import Finding, Law, Shown, Walk, by_the_rules
from nova_feed.model import CANARY_AUTHOR
from nova_feed.ranking import Saturation
from nova_feed.settings import Settings

AT_ONCE = 8  # viewers whose feeds are read at the same time
TRIES, LONGEST_PAUSE_S = 4, 5.0  # of a request that is told to come back later
PROMISE_S = 1.0  # from the commit of a removal to the first answer without it
EXAMPLES, TOLD_EVERY = 20, 100
_VIEWERS = "SELECT id FROM users ORDER BY id LIMIT $1"
_STANDING = """
SELECT q.id, EXISTS (SELECT FROM follows f WHERE (f.follower_id, f.followee_id) = ($1, p.author_id)) AS followed, CASE
    WHEN p.id IS NULL THEN 'deleted'
    WHEN p.author_id = $1 THEN 'own'
    WHEN EXISTS (SELECT FROM nova_hidden h WHERE (h.user_id, h.post_id) = ($1, q.id)) THEN 'hidden'
    WHEN EXISTS (SELECT FROM blocks b WHERE (b.blocker_id, b.blocked_id) = ($1, p.author_id)) THEN 'blocked'
    WHEN EXISTS (SELECT FROM blocks b WHERE (b.blocker_id, b.blocked_id) = (p.author_id, $1)) THEN 'blocked by the author'
    WHEN EXISTS (SELECT FROM mutes m WHERE (m.muter_id, m.muted_id) = ($1, p.author_id)) THEN 'muted'
    WHEN EXISTS (SELECT FROM users u WHERE (u.id, u.username) = (p.author_id, $3)
        AND NOT EXISTS (SELECT FROM follows f WHERE (f.follower_id, f.followee_id) = ($1, p.author_id))) THEN 'canary'
    END AS reason
FROM unnest($2::bigint[]) AS q (id) LEFT JOIN posts p ON p.id = q.id
"""


class AuditError(NovaError):
    """A page was not answered with 200; the text says what was answered instead."""


@dataclass(slots=True)
class Report:
    """What was read and what was wrong. ``removed``: rows of the lists that rules took out; ``unread_lists``: viewers
    whose list could not be read, so that what was left out could only be judged by the positions told."""

    viewers: int = 0
    pages: int = 0
    posts: int = 0
    relaxed: int = 0
    removed: int = 0
    asked_again: int = 0
    tried_again: int = 0
    unread_lists: int = 0
    fallbacks: int = 0
    broken: Counter[Law] = field(default_factory=Counter)
    forbidden: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def lawful(self) -> bool:
        """Whether something was read, all of it to the end, and no law was broken."""
        return self.pages > 0 and not self.broken.total() and not self.errors

    def add(self, viewer_id: int, findings: Sequence[Finding]) -> None:
        """Count what one viewer's page broke."""
        for finding in findings:
            self.broken[finding.law] += 1
            if finding.law is Law.FORBIDDEN:
                self.forbidden[finding.what] += 1
            if len(self.examples) < EXAMPLES:
                self.examples.append(f"viewer {viewer_id}, post {finding.post_id}: {finding.law.name}, {finding.what}")

    def as_payload(self) -> dict[str, Any]:
        """For JSON."""
        counts = (
            "viewers",
            "pages",
            "posts",
            "relaxed",
            "removed",
            "fallbacks",
            "asked_again",
            "tried_again",
            "unread_lists",
        )
        return {
            "lawful": self.lawful,
            **{name: getattr(self, name) for name in counts[:3]},
            **{law.value: self.broken[law] for law in Law},
            "forbidden": dict(self.forbidden),
            **{name: getattr(self, name) for name in counts[3:]},
            "errors": dict(self.errors),
            "examples": self.examples,
            "seconds": round(self.seconds, 1),
        }


@dataclass(frozen=True, slots=True)
class Stack:
    """What an audit reads: the API, with the parameters of every page, and the two stores that judge it."""

    http: httpx.AsyncClient
    pool: asyncpg.Pool
    lists: ListCache
    signer: CursorSigner
    parameters: Mapping[str, str | int]


async def run(
    settings: Settings, facts: Mapping[str, Any], viewers: int, limit: int, algo: str, console: Console
) -> Report:
    """Walk the feeds of the first ``viewers`` people, ``limit`` posts a page; ``console`` is told how far it is.

    Raises SettingsError without the secret of tokens, and asyncpg's error or OSError when PostgreSQL is away.
    """
    report, start = Report(), time.monotonic()
    lists = ListCache.connect(settings.redis_url)
    try:
        async with (
            asyncpg.create_pool(settings.postgres_url, min_size=0, max_size=AT_ONCE, command_timeout=30) as pool,
            httpx.AsyncClient(base_url=facts["api_url"], timeout=10) as http,
        ):
            signer = CursorSigner(settings.cursor_secret.get_secret_value())
            stack = Stack(http, pool, lists, signer, {"limit": limit, "algo": algo})
            people = iter([row[0] for row in await pool.fetch(_VIEWERS, viewers)])
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(_read_all(stack, settings, people, report, console))
    finally:
        await lists.close()
    report.seconds = time.monotonic() - start
    return report


async def _read_all(stack: Stack, settings: Settings, people: Iterator[int], report: Report, console: Console) -> None:
    for viewer in people:
        token = mint_for(settings, viewer, "", 3600)
        report.viewers += 1
        told = report.viewers % TOLD_EVERY == 0
        try:
            await Visit(stack, viewer, token, report).read()
        except (AuditError, httpx.HTTPError) as error:
            report.errors[str(error) or type(error).__name__] += 1
        if told:
            console.print(f"{report.viewers:,} feeds, {report.pages:,} pages", style="dim", highlight=False)


class Visit:
    """One viewer's feed, read from the first page to the last."""

    def __init__(self, stack: Stack, viewer_id: int, token: str, report: Report) -> None:
        self._stack, self._viewer, self._report = stack, viewer_id, report
        self._headers = {"Authorization": f"Bearer {token}"}
        self._frozen: FrozenList | None = None

    async def read(self) -> None:
        """Raises AuditError for a page that is not answered, httpx's error when the API is not there."""
        walk, cursor, first = Walk(Saturation()), None, ""
        while True:
            body = await self._ask(cursor)
            if not first:
                first = body["as_of"]
                self._frozen = await self._list_of(body)
                self._report.unread_lists += self._frozen is None
            findings = walk.follow(_shown(body))
            if body["as_of"] != first or (self._frozen and body["total_count"] != len(self._frozen)):
                findings.append(Finding(Law.SKIP, 0, "the list changed under the cursor"))
            self._report.add(self._viewer, [*findings, *await self._against_rules(body, cursor)])
            self._count(body)
            cursor = body["cursor"]
            if cursor is None:
                return

    def _count(self, body: Mapping[str, Any]) -> None:
        self._report.pages += 1
        self._report.posts += len(body["posts"])
        self._report.relaxed += sum(post["relaxed"] for post in body["posts"])
        self._report.fallbacks += body["fallback"]

    async def _against_rules(self, body: Mapping[str, Any], cursor: str | None) -> list[Finding]:
        """What this page breaks, and breaks again a second later."""
        found, removed = await self._judge(body, cursor)
        self._report.removed += removed
        if not found:
            return found
        self._report.asked_again += 1
        await asyncio.sleep(PROMISE_S)
        again = await self._again(cursor)
        return [finding for finding in found if finding in again]

    async def _again(self, cursor: str | None) -> list[Finding]:
        found, _ = await self._judge(await self._ask(cursor), cursor)
        if cursor is not None or self._frozen is None:
            return found
        # A first page may be of another list by now: what it shows counts, what it leaves out does not.
        start = self._stack.signer.encode(Cursor(self._viewer, self._frozen.list_id, 0, 0, 0, 0.0, ()))
        same, _ = await self._judge(await self._ask(start), start)
        return [finding for finding in found if finding.law is Law.FORBIDDEN] + same

    async def _judge(self, body: Mapping[str, Any], cursor: str | None) -> tuple[list[Finding], int]:
        """What the page breaks as of now, and how many rows of its stretch it rightly left out."""
        shown = [post["post_id"] for post in body["posts"]]
        stretch = self._stretch(cursor, body["cursor"])
        followed = {post["post_id"] for post in body["posts"] if "followee" in post["sources"]}
        if self._frozen is not None:
            followed.update(self._frozen.candidates.post_id[self._frozen.followed].tolist())
        forbidden = await self._forbidden(list({*shown, *(stretch or ())}), followed)
        left_out = set(stretch or ()) - set(shown)
        return by_the_rules(shown, stretch, forbidden), len(left_out & forbidden.keys())

    def _stretch(self, cursor: str | None, following: str | None) -> list[int] | None:
        """The posts of the list between two cursors; None when the list is not known."""
        if self._frozen is None:
            return None
        start, end = self._place(cursor, 0), self._place(following, len(self._frozen))
        posts: list[int] = self._frozen.candidates.post_id[start:end].tolist()
        return posts

    def _place(self, cursor: str | None, default: int) -> int:
        return default if cursor is None else self._stack.signer.decode(cursor, self._viewer).position

    async def _forbidden(self, posts: Sequence[int], followed_then: set[int]) -> dict[int, str]:
        """Why this viewer must not see these posts, by PostgreSQL's word; those they may see are not in it."""
        rows = await self._stack.pool.fetch(_STANDING, self._viewer, posts, CANARY_AUTHOR)
        found = {}
        for post, followed, reason in rows:
            if reason is not None:
                found[post] = reason
            elif post in followed_then and not followed:
                found[post] = "unfollowed"
        return found

    async def _list_of(self, body: Mapping[str, Any]) -> FrozenList | None:
        """The list that a first page was cut from; None when it cannot be had (any more)."""
        try:
            if body["cursor"] is None:
                kept = await self._stack.lists.first(self._viewer)
            else:
                at = self._stack.signer.decode(body["cursor"], self._viewer)
                kept = await self._stack.lists.get(self._viewer, at.list_id)
            found = decode(kept or b"")
        except (StoreUnavailableError, ValueError):
            return None
        return found if rfc3339(found.as_of_ms) == body["as_of"] else None

    async def _ask(self, cursor: str | None) -> Mapping[str, Any]:
        parameters = {**self._stack.parameters, **({} if cursor is None else {"cursor": cursor})}
        for last in (*[False] * (TRIES - 1), True):
            answer = await self._stack.http.get("/api/v1/feed", params=parameters, headers=self._headers)
            if answer.status_code == httpx.codes.OK:
                body: Mapping[str, Any] = answer.json()
                return body
            if last or "retry-after" not in answer.headers:
                break
            self._report.tried_again += 1
            await asyncio.sleep(min(float(answer.headers["retry-after"]), LONGEST_PAUSE_S))
        raise AuditError(_refusal(answer))


def _refusal(answer: httpx.Response) -> str:
    try:
        return f"{answer.status_code}: {answer.json()['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code}"


def _shown(body: Mapping[str, Any]) -> list[Shown]:
    return [Shown(post["post_id"], post["author_id"], post["position"], post["relaxed"]) for post in body["posts"]]
