"""The page at /console, in a browser, before the whole stack."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Browser, Locator, Page, expect

from nova_feed.ranking import Candidates, Saturation, Source, ViewerRules, Weights, rank
from tests.app import App
from tests.browser import Watched, browser, tab
from tests.e2e.admin import Operator
from tests.reader import Json, ReaderOf
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
VIEWER = 143  # whom no other test lets see or hide anything
CARDS, FIRST = "#posts > li", "#posts > li:first-child"
REACHABLE = "button, input, summary, [tabindex='0'], a[href]"
RANK_IN_PAGE = """async ([posts, config]) => {
  const { arrange, row } = await import("/console/rank.js");
  return arrange(posts.map(row), config).map((one) => [one.id, one.score]);
}"""
TITLE_IN_CARD = """card => {
  const [title, whole] = [card.querySelector(".title"), card].map((one) => one.getBoundingClientRect());
  return [title.x - whole.x, title.y - whole.y, title.width, title.height].map(Math.round);
}"""
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with browser() as running:
        yield running


@pytest.fixture
async def operator(stack: LocalStack) -> AsyncIterator[Operator]:
    async with httpx.AsyncClient(base_url=stack.facts["admin_url"], timeout=10) as http:
        yield Operator(http, stack)


@pytest.fixture
async def opened(chromium: Browser, stack: LocalStack) -> AsyncIterator[Watched]:
    """The page of the admin listener, signed in by its address; at the end nothing may have gone wrong in it."""
    url = stack.facts["admin_url"]
    async with tab(chromium) as watched:
        await watched.page.goto(f"{url}/console#token={stack.token(VIEWER, 'admin')}")
        await eventually(lambda: shows_ranked(watched.page), 60)
        yield watched
        assert watched.complaints == []
        assert watched.hosts == {urlsplit(url).netloc}


async def shows_ranked(page: Page) -> bool:
    """Whether the page shows a ranked list. Where ClickHouse was slow it shows a timeline, and is asked anew."""
    await expect(page.locator(CARDS)).to_have_count(20)
    if "fallback" not in await page.locator("#feed-line").inner_text():
        return True
    await page.reload()
    return False


async def view(page: Page, name: str) -> None:
    await page.get_by_role("navigation").get_by_role("button", name=name, exact=True).click()


async def test_the_feed_is_shown_with_its_scores_and_goes_on_where_the_page_ends(
    opened: Watched, reader: ReaderOf
) -> None:
    page, posts = opened.page, await reader(VIEWER).posts()
    told = {str(post["post_id"]) for post in posts}
    await expect(page.locator("#feed-line")).to_contain_text(f"{len(posts)} posts")
    await page.get_by_role("button", name="More", exact=True).click()
    await expect(page.locator(CARDS)).to_have_count(40)
    ids = [str(await card.get_attribute("data-post")) for card in await page.locator(CARDS).all()]
    assert len(set(ids)) == 40
    assert len(set(ids) & told) > 30, "the same feed, ranked a moment apart"
    for i in (0, 39):
        said = await page.locator(CARDS).nth(i).locator(".sum").inner_text()
        *terms, total = [float(word) for word in said.replace("+", "=").replace(",", "").split() if word[0].isdigit()]
        assert len(terms) == 3
        assert abs(sum(terms) - total) <= 0.002, "three rounded numbers and their rounded sum"


async def test_the_token_leaves_the_address_and_stays_in_the_tab_alone(opened: Watched, stack: LocalStack) -> None:
    page = opened.page
    assert page.url == f"{stack.facts['admin_url']}/console"
    assert not [url for url in opened.asked if "token=" in url.partition("#")[0]]
    assert await page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    await page.locator("#token").fill(stack.token(2))
    await page.keyboard.press("Enter")
    await expect(page.locator("#who")).to_contain_text(f"Viewing as user 2, operating as user {VIEWER}")
    await page.get_by_role("button", name="Forget").click()
    await expect(page.locator("#who")).to_contain_text("Nobody is signed in")
    await expect(page.locator(CARDS)).to_have_count(0)


async def test_where_a_post_is_is_told_for_one_that_is_listed_and_one_that_is_not(opened: Watched) -> None:
    page = opened.page
    await page.locator(CARDS).nth(2).get_by_role("button", name="Why").click()
    await expect(page.locator("#standing")).to_contain_text("listed")
    await page.locator("#post").fill("999999999")
    await page.keyboard.press("Enter")
    await expect(page.locator("#standing")).to_contain_text("there is no such post")


async def test_what_trends_and_whom_to_follow_are_shown(opened: Watched, reader: ReaderOf) -> None:
    page, people = opened.page, (await reader(VIEWER).suggested())["users"]
    await view(page, "Trending")
    await page.get_by_role("button", name="7d").click()
    await expect(page.locator("#trends > li").first).to_be_visible()
    await view(page, "People")
    await expect(page.locator("#persons > li")).to_have_count(len(people))
    await expect(page.locator("#persons > li").first).to_contain_text(people[0]["reason"])


async def test_the_pipeline_is_shown_stage_by_stage(opened: Watched) -> None:
    page = opened.page
    await expect(page.locator("#parts > li.up")).to_have_count(4)
    await expect(page.locator("#stages tbody tr")).to_have_count(7, timeout=60_000)  # once the canary has sung
    await expect(page.locator("#lag")).to_contain_text("nova_cdc")
    await expect(page.locator("#system")).to_contain_text("all closed")


@pytest.mark.parametrize("weights", [(0.3, 0.4, 0.3), (5, 0.4, 0.3), (0, 0, 1), (0.1, 7, 0.5)])
@pytest.mark.parametrize("distance", [1, 3, 5])
async def test_the_page_ranks_as_the_ranker_does_whatever_the_weights(
    opened: Watched, reader: ReaderOf, weights: tuple[float, float, float], distance: int
) -> None:
    posts = await reader(VIEWER).posts(explain="true")
    freshness, engagement, affinity = weights
    config = {"weight_freshness": freshness, "weight_engagement": engagement, "weight_affinity": affinity,
              "author_distance": distance, "author_max_in_top": 1}  # fmt: skip
    found = await opened.page.evaluate(RANK_IN_PAGE, [posts, config])
    ranked = rank(
        candidates_of(posts), now_ms=posts[0]["explanation"]["as_of_ms"], weights=Weights(*weights),
        rules=ViewerRules(VIEWER), saturation=Saturation(max_in_top=1, distance=distance),
    )  # fmt: skip
    assert [one[0] for one in found] == ranked.candidates.post_id.tolist()
    assert [one[1] for one in found] == pytest.approx(ranked.scores.total.tolist(), abs=1e-9)


def candidates_of(posts: list[Json]) -> Candidates:
    """What a list was ranked from, by its explanations."""
    told = [post["explanation"]["inputs"] for post in posts]
    assert not any(post["seen"] or post["propensity"] for post in posts)
    columns: dict[str, Any] = {
        name: [inputs[name] for inputs in told]
        for name in ("post_id", "author_id", "created_ms", "likes", "comments", "shares", "exposures", "interactions")
    }
    bits = [sum(Source[name] for name in inputs["sources"]) for inputs in told]
    return Candidates.make(**columns, sources=bits)


async def test_a_change_of_weights_is_previewed_applied_and_taken_back(opened: Watched, operator: Operator) -> None:
    page, before = opened.page, await operator.get("/admin/config")
    await view(page, "Weights")
    line = page.locator("#preview-line")
    await expect(line).to_have_text(re.compile(r"^0 of \d+ posts move"))
    await expect(line).to_contain_text("this page finds the served order")
    await expect(page.locator("#apply")).to_be_disabled()
    await page.get_by_label("weight_freshness").fill("9")
    await expect(line).to_have_text(re.compile(r"^[1-9]\d* of \d+ posts move"))
    try:
        await page.get_by_role("button", name="Apply").click()
        await expect(page.locator("#applied")).to_have_text(f"Version {before['version'] + 1} holds.")
        now = await operator.get("/admin/config")
        assert now["config"] == before["config"] | {"weight_freshness": 9.0}
        await expect(page.locator("#history")).to_contain_text("weight_freshness 0.3 → 9")
        await operator.config(feed_ttl_s=77)  # somebody else, meanwhile
        await page.get_by_label("weight_freshness").fill("8")
        await page.get_by_role("button", name="Apply").click()
        await expect(page.locator("#applied")).to_contain_text("Somebody else")
        await expect(page.get_by_label("feed_ttl_s")).to_have_value("77")
    finally:
        await operator.back_to_settings()
    opened.complaints[:] = [text for text in opened.complaints if "412" not in text]  # Chromium tells every refusal


async def test_an_event_that_is_sent_is_seen_to_arrive(opened: Watched) -> None:
    page = opened.page
    await page.locator(CARDS).nth(4).get_by_role("button", name="Share").click()
    arrivals = page.locator("#arrivals > li").first
    await expect(arrivals).to_contain_text("shares", timeout=30_000)
    await expect(arrivals).to_contain_text("accepted after")
    card = page.locator(CARDS).nth(7)
    post = await card.get_attribute("data-post")
    await card.get_by_role("button", name="Hide").click()
    await expect(page.locator(f"#posts > li[data-post='{post}']")).to_have_count(0)
    await expect(page.locator("#arrivals > li").first).to_contain_text("it left the feed (hidden)")


async def followees_card(page: Page, at: int = 0) -> tuple[Locator, int, int]:
    """A post of somebody whom the viewer follows: its card, its id, and its author's. How many of the first page are
    such ones depends on what trends."""
    cards = page.locator(CARDS).filter(has=page.get_by_text("followee", exact=True))
    while await cards.count() <= at:
        shown = await page.locator(CARDS).count()
        await page.get_by_role("button", name="More", exact=True).click()
        await expect(page.locator(CARDS)).not_to_have_count(shown)
    card = cards.nth(at)
    author = re.search(r"by user (\d+)", await card.inner_text())
    assert author is not None
    return card, int(await card.get_attribute("data-post") or 0), int(author[1])


async def test_what_the_app_writes_is_seen_to_arrive(opened: Watched, app: App) -> None:
    page, line = opened.page, opened.page.locator("#arrivals > li").first
    card, post, author = await followees_card(page, 2)
    await app.unlike(VIEWER, post)
    await card.locator("summary").click()
    await card.get_by_role("button", name="New post").click()
    arrived = rf"post by user {author}: written after .*; post \d+ is at place \d+ after"
    await expect(line).to_have_text(re.compile(arrived), timeout=30_000)
    await card.locator("button", has_text=re.compile("^Like$")).click()
    liked = rf"like post {post}: written after .*; likes \d+ → \d+ after"
    await expect(line).to_have_text(re.compile(liked), timeout=30_000)
    await expect(card.locator(".told")).to_contain_text("likes")
    await card.locator("button", has_text=re.compile("^Like$")).click()
    await expect(line).to_contain_text("it was so before")
    await app.unlike(VIEWER, post)


async def test_whom_the_viewer_blocks_is_gone_and_the_keyboard_is_enough_for_it(opened: Watched, app: App) -> None:
    page = opened.page
    card, _, author = await followees_card(page, 4)
    try:
        await card.locator("summary").focus()
        await page.keyboard.press("Enter")
        await card.locator("button", has_text=re.compile("^Block$")).focus()
        await page.keyboard.press("Enter")
        line = page.locator("#arrivals > li").first
        await expect(line).to_have_text(re.compile(rf"block user {author}: .*it left the feed \(block"), timeout=30_000)
        await expect(page.locator(CARDS).filter(has_text=f"by user {author} ")).to_have_count(0)
    finally:
        await app.run("DELETE FROM blocks WHERE (blocker_id, blocked_id) = ($1, $2)", VIEWER, author)


async def test_without_an_operator_nothing_of_the_apps_can_be_written(chromium: Browser, stack: LocalStack) -> None:
    for listener in ("api_url", "admin_url"):
        async with tab(chromium) as watched:
            await watched.page.goto(f"{stack.facts[listener]}/console#token={stack.token(VIEWER)}")
            await expect(watched.page.locator(CARDS)).to_have_count(20)
            await expect(watched.page.locator("summary")).to_have_count(0)


async def test_everything_is_reached_by_the_keyboard_and_what_has_the_focus_is_seen(opened: Watched) -> None:
    page = opened.page
    await view(page, "Weights")
    await expect(page.locator("#preview tr").first).to_be_visible()
    await page.evaluate("document.activeElement.blur()")
    things = page.locator(REACHABLE).locator("visible=true")
    enabled = [thing for thing in await things.all() if await thing.is_enabled()]
    reached: set[int] = set()
    for _ in range(len(enabled) + 3):
        await page.keyboard.press("Tab")
        at, outline = await page.evaluate(
            "(what) => [[...document.querySelectorAll(what)].indexOf(document.activeElement),"
            " getComputedStyle(document.activeElement).outlineStyle]", REACHABLE,
        )  # fmt: skip
        if at >= 0:
            assert outline == "solid"
            reached.add(at)
    # the link to the feed is seen when it has the focus
    assert len(reached) >= len(enabled), f"{len(reached)} of {len(enabled)}"
    await page.get_by_role("navigation").get_by_role("button", name="Trending").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#trending")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 390])
async def test_nothing_is_wider_than_the_window(chromium: Browser, stack: LocalStack, width: int) -> None:
    async with tab(chromium, width, 844) as watched:
        page = watched.page
        await page.goto(f"{stack.facts['admin_url']}/console#token={stack.token(VIEWER, 'admin')}")
        await expect(page.locator(CARDS)).to_have_count(20)
        card = page.locator(CARDS).nth(1)
        before = await card.evaluate(TITLE_IN_CARD)
        await card.locator("summary").click()
        await expect(card.locator(".app button").last).to_be_visible()
        assert await page.evaluate(WIDER) == 0
        assert await card.evaluate(TITLE_IN_CARD) == before
        for name in ("Feed", "Trending", "People", "Weights"):
            await view(page, name)
            await expect(page.locator(f"#{name.lower()} :is(li, input)").first).to_be_attached()
            assert await page.evaluate(WIDER) == 0, name


async def test_on_the_listener_of_the_api_it_shows_feeds_and_says_where_the_rest_is(
    chromium: Browser, stack: LocalStack
) -> None:
    async with tab(chromium) as watched:
        page = watched.page
        await page.goto(f"{stack.facts['api_url']}/console#token={stack.token(VIEWER)}")
        await expect(page.locator(CARDS)).to_have_count(20)
        await view(page, "Weights")
        await expect(page.locator("#weights-line")).to_contain_text("Preview only")
        await page.get_by_label("weight_affinity").fill("9")
        await expect(page.locator("#preview tr")).to_have_count(20)
        await expect(page.locator("#apply")).to_be_disabled()
        await expect(page.locator("#stages")).to_contain_text("the console of the admin listener")
        assert watched.complaints == []


async def test_a_token_that_is_not_good_is_told_and_shows_nothing(chromium: Browser, stack: LocalStack) -> None:
    async with tab(chromium) as watched:
        page = watched.page
        await page.goto(f"{stack.facts['admin_url']}/console")
        await page.locator("#token").fill("x")
        await page.keyboard.press("Enter")
        await expect(page.locator("#who")).to_contain_text("That is no token")
        await page.locator("#token").fill(stack.token(VIEWER)[:-4] + "AAAA")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("a valid bearer token is needed (401)")
        await expect(page.locator(CARDS)).to_have_count(0)
