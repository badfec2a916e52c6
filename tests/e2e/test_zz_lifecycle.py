"""The stack's commands, as a user meets them. Runs near the end: it kills and stops the stack that others share."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import asyncpg
import psutil
import pytest

from tests.e2e.arrival import a_new_post_arrives
from tests.reader import ReaderOf
from tests.stack import LocalStack

pytestmark = pytest.mark.e2e


@pytest.fixture
def elsewhere() -> Iterator[LocalStack]:
    """Another home, in which nothing runs."""
    stack = LocalStack.in_new_home()
    yield stack
    stack.remove()


@pytest.mark.parametrize("how", [(), ("--detach",)])
def test_a_second_start_in_the_same_home_is_refused_in_one_sentence(stack: LocalStack, how: tuple[str, ...]) -> None:
    _is_refused(stack.nova("up", *how), "a stack runs in", "`nova down` stops it")


def test_a_port_that_is_in_use_is_named_in_one_sentence(elsewhere: LocalStack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        _is_refused(elsewhere.nova("up", "--port", port), f"port {port}", "in use")
        _is_refused(elsewhere.nova("up", "--port", port, "--detach"), f"port {port}", "in use")


def test_a_url_that_leads_nowhere_is_named_within_seconds_without_its_password(
    stack: LocalStack, elsewhere: LocalStack
) -> None:
    facts = stack.facts
    others = {"CLICKHOUSE_URL": facts["clickhouse_url"], "KAFKA_BROKERS": facts["kafka_brokers"],
              "REDIS_URL": facts["redis_url"], "NOVA_CONNECT_URL": facts["connect_url"]}  # fmt: skip
    start = time.monotonic()
    done = elsewhere.nova("up", **others, POSTGRES_URL="postgresql://nova:hunter2@127.0.0.1:1/nova")
    assert time.monotonic() - start < 30
    _is_refused(done, "postgres at postgresql://nova:***@127.0.0.1:1/nova did not answer")
    assert "hunter2" not in done.stdout + done.stderr


def test_a_url_that_is_none_is_named_with_what_would_be_right(elsewhere: LocalStack) -> None:
    _is_refused(elsewhere.nova("up", REDIS_URL="localhost"), "REDIS_URL", "must be a URL")


def test_status_shows_every_part_as_up_and_says_so_to_scripts(stack: LocalStack) -> None:
    shown, told = stack.nova("status"), stack.nova("status", "--json")
    assert (shown.returncode, told.returncode) == (0, 0), shown.stdout + shown.stderr
    parts = {part["part"]: part["state"] for part in json.loads(told.stdout)["parts"]}
    assert parts == dict.fromkeys(("postgres", "kafka", "connect", "clickhouse", "valkey", "api", "worker"), "up")
    assert all(part in shown.stdout for part in parts)


def test_the_first_feed_that_is_shown_is_ranked_from_all_of_the_sample_network(stack: LocalStack) -> None:
    shown = stack.first_words.partition("The feed of user 1, ranked from")[2]
    posts = [line for line in shown.splitlines() if " by user " in line]
    # A list that was ranked while the network still arrived knows no author whom the viewer interacts with.
    assert len(posts) == 8, stack.first_words
    assert sum(line.endswith("affinity") for line in posts) >= 4, posts


def test_the_whole_stack_takes_less_memory_than_was_promised(stack: LocalStack) -> None:
    assert json.loads(stack.nova("status", "--json").stdout)["memory_mib"] < 2500


def test_where_nothing_runs_down_is_content_and_status_is_not(elsewhere: LocalStack) -> None:
    done = elsewhere.nova("down")
    assert (done.returncode, done.stdout.strip()) == (0, "nothing was running")
    _is_refused(elsewhere.nova("status"), "no stack runs in")


async def test_a_start_after_a_kill_of_the_supervisor_heals_what_it_left(
    stack: LocalStack, postgres: asyncpg.Connection, reader: ReaderOf
) -> None:
    people = await postgres.fetchval("SELECT count(*) FROM users")
    await postgres.close()
    places = _places(stack)
    left = _kill_supervisor(stack)
    stack.up()
    assert not left & set(_pids(stack))
    assert _places(stack) == places
    again = await asyncpg.connect(stack.facts["postgres_url"], timeout=10)
    assert await again.fetchval("SELECT count(*) FROM users") == people
    await again.close()
    await a_new_post_arrives(stack, reader)


def test_down_ends_what_a_killed_supervisor_left_and_then_has_nothing_to_do(stack: LocalStack) -> None:
    left = _kill_supervisor(stack)
    first, second = stack.nova("down"), stack.nova("down")
    assert (first.returncode, first.stdout.strip()) == (0, "stopped")
    assert (second.returncode, second.stdout.strip()) == (0, "nothing was running")
    assert not [pid for pid in left if psutil.pid_exists(pid)]
    stack.up()


def _kill_supervisor(stack: LocalStack) -> set[int]:
    """Kill -9 the process that supervises, and return the pids of the parts it left running."""
    pids = set(_pids(stack))
    os.kill(stack.facts["supervisor_pid"], signal.SIGKILL)
    return pids


def _pids(stack: LocalStack) -> list[int]:
    found = stack.facts["pids"].values()
    return [pid for pids in found for pid in (pids if isinstance(pids, list) else [pids])]


def _places(stack: LocalStack) -> dict[str, str]:
    return {name: place for name, place in stack.facts.items() if name.endswith(("_url", "_brokers"))}


def _is_refused(done: subprocess.CompletedProcess[str], *told: str) -> None:
    stderr = done.stderr
    assert done.returncode == 1, done.stdout + stderr
    assert len(stderr.strip().splitlines()) == 1, stderr
    assert all(words in stderr for words in ("nova: ", *told)), stderr
