"""Any process may be killed: it is back within seconds, the feed answers meanwhile, and what is new arrives again."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from tests.app import App
from tests.e2e.arrival import AGAIN_S, a_new_post_arrives
from tests.reader import ReaderOf
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
BACK_S = 10


@pytest.mark.parametrize("part", ["valkey", "worker", "connect", "kafka", "postgres"])
async def test_a_part_that_is_killed_comes_back_and_new_posts_reach_their_readers_again(
    stack: LocalStack, reader: ReaderOf, part: str
) -> None:
    restarts = stack.facts["restarts"][part]
    await _is_replaced(stack, part, _kill(stack.pid(part)))
    assert stack.facts["restarts"][part] == restarts + 1
    await a_new_post_arrives(stack, reader)


async def test_an_api_process_that_is_killed_is_replaced_while_the_others_answer(
    stack: LocalStack, reader: ReaderOf
) -> None:
    before = set(_pids(stack.pid("api")))
    victim = _kill(_pids(stack.pid("api"))[0])

    async def is_whole() -> bool:
        now = set(_pids(stack.pid("api")))
        return victim not in now and len(now) == len(before)

    await eventually(is_whole, BACK_S)
    await a_new_post_arrives(stack, reader)


async def test_without_clickhouse_the_feed_says_what_it_is_made_of_and_is_ranked_from_it_again_once_it_is_back(
    stack: LocalStack, reader: ReaderOf, app: App
) -> None:
    somebody, follower = reader(await app.person()), reader(await app.person())
    await app.follow(follower.user_id, 2)
    killed = _kill(stack.pid("clickhouse"))
    page = await somebody.page()
    assert page["posts"]
    if page["fallback"]:
        assert (page["source"], page["reason"].partition(":")[0]) == ("timeline", "clickhouse")
    else:  # of the posts that are in the process, for some seconds
        assert (page["source"], page["reason"]) == ("ranked", None)
    await _is_replaced(stack, "clickhouse", killed)

    async def ranked() -> bool:
        answer = await follower.page()
        return answer["source"] in {"ranked", "cached"} and not answer["fallback"]

    await eventually(ranked, AGAIN_S)
    await a_new_post_arrives(stack, reader)


def _pids(pid: int | list[int] | None) -> list[int]:
    return pid if isinstance(pid, list) else [] if pid is None else [pid]


def _kill(pid: int | list[int] | None) -> int:
    [one] = _pids(pid)
    os.kill(one, signal.SIGKILL)
    return one


async def _is_replaced(stack: LocalStack, part: str, killed: int) -> None:
    async def is_back() -> bool:
        return any(pid != killed and psutil.pid_exists(pid) for pid in _pids(stack.pid(part)))

    await eventually(is_back, BACK_S)
