"""Planted secrets are looked for wherever people read: logs, metrics, errors, status, command lines, Connect's REST."""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tests.own_api import environment_of, own_api
from tests.reader import EVENTS, FEED, SUGGESTED, TRENDING
from tests.stack import LocalStack, bearer

pytestmark = pytest.mark.e2e


def found(texts: dict[str, str], canaries: dict[str, str]) -> list[str]:
    """Which secret was seen where."""
    return [f"{name} in {at}" for at, text in texts.items() for name, secret in canaries.items() if secret in text]


def kept_by(stack: LocalStack) -> dict[str, str]:
    """The secrets that the stack itself has."""
    made, facts = json.loads((stack.home / "secrets.json").read_text()), stack.facts
    return {
        "the key of tokens": made["jwt"], "the key of cursors": made["cursor"], "the demo's token": facts["token"],
        "PostgreSQL's password": str(urlsplit(facts["postgres_url"]).password),
    }  # fmt: skip


def logs(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()}


def command_lines(stack: LocalStack) -> dict[str, str]:
    """What ``ps`` shows everybody of each process of the stack."""

    def processes() -> Iterator[psutil.Process]:
        supervisor = psutil.Process(stack.facts["supervisor_pid"])
        yield supervisor
        yield from supervisor.children(recursive=True)

    return {f"the command line of {process.pid}": " ".join(process.cmdline()) for process in processes()}


async def test_no_secret_is_in_what_a_whole_run_left_behind(stack: LocalStack, api: httpx.AsyncClient) -> None:
    user, guess = stack.token(7), f"guess-{secrets.token_hex(16)}"
    canaries = kept_by(stack) | {"a user's token": user, "its signature": user.rpartition(".")[2], "a guess": guess}
    good = {"Authorization": f"Bearer {user}"}
    item = {"post_id": 1, "action": "view", "event_id": guess, "user_id": 3}
    answers = [
        *[await api.get(path, headers=good) for path in (FEED, TRENDING, SUGGESTED)],
        await api.get(FEED, headers={"Authorization": f"Bearer {guess}"}),
        await api.get(FEED, headers={"Authorization": f"Basic {guess}"}),
        await api.get(f"/nothing?token={guess}", headers=good), await api.get(f"{FEED}?access_token={guess}"),
        await api.get("/health"), await api.post(EVENTS, json={"events": [item]}, headers=good),
        await api.post(EVENTS, content=guess.encode(), headers=good | {"Content-Type": "application/json"}),
    ]  # fmt: skip
    facts = stack.facts
    async with httpx.AsyncClient(timeout=10) as http:
        listeners = {url: (await http.get(f"{url}/metrics")).text for url in (facts["api_url"], facts["admin_url"])}
        connect = (await http.get(f"{facts['connect_url']}/connectors?expand=info&expand=status")).text
    assert "nova-postgres" in connect
    commands = {
        " ".join(words): (done := await asyncio.to_thread(stack.nova, *words)).stdout + done.stderr
        for words in (("status", "--json"), ("status",), ("cdc", "status"), ("events", "verify"))
    }
    texts = {f"answer {i}": f"{answer.text}\n{answer.headers}" for i, answer in enumerate(answers)}
    read = logs(stack.home / "logs")
    assert {"nova.log", "api.log", "worker.log", "postgres.log", "connect.log", "kafka.log"} <= set(read)
    assert sum(map(len, read.values())) > 10_000
    assert found(texts | listeners | commands | {"Connect": connect} | read | command_lines(stack), canaries) == []


async def test_no_password_is_told_when_every_store_refuses_it(stack: LocalStack, tmp_path: Path) -> None:
    canaries = {name: f"canary{secrets.token_hex(12)}" for name in ("postgres", "clickhouse", "redis")}
    facts, log = stack.facts, tmp_path / "api.log"
    at = {name: facts[name].rpartition("@")[2].rpartition("://")[2] for name in ("postgres_url", "redis_url")}
    wrong = {
        "POSTGRES_URL": f"postgresql://nova:{canaries['postgres']}@{at['postgres_url']}",
        "CLICKHOUSE_URL": f"http://reader:{canaries['clickhouse']}@127.0.0.1:9/nova",
        "REDIS_URL": f"redis://:{canaries['redis']}@{at['redis_url']}",
    }
    with own_api(stack, log, WORKER_CONCURRENCY="1", LOG_LEVEL="debug", **wrong) as url:
        async with httpx.AsyncClient(base_url=url, headers=bearer(stack, 7), timeout=20) as http:
            answers = [await http.get(path) for path in (FEED, TRENDING, SUGGESTED, "/health", "/metrics")]
            batch = {"events": [{"post_id": 1, "action": "view"}]}
            answers.append(await http.post(EVENTS, json=batch))
    assert [answer.status_code for answer in answers] == [503, 503, 503, 503, 200, 503]
    texts = {str(answer.url): f"{answer.text}\n{answer.headers}" for answer in answers}
    assert "password authentication failed" in texts[f"{url}/health"]
    written = log.read_text()
    assert "request.unavailable" in written
    assert found(texts | {"the log": written}, canaries | kept_by(stack)) == []


@pytest.mark.parametrize("name", ["NOVA_JWT_SECRET", "NOVA_CURSOR_SECRET", "POSTGRES_URL", "CLICKHOUSE_URL"])
def test_a_setting_that_is_refused_is_named_without_its_secret(stack: LocalStack, name: str) -> None:
    canary = secrets.token_hex(6)
    value = canary if name.endswith("SECRET") else f"nova:{canary}@somewhere"
    done = subprocess.run(
        [sys.executable, "-m", "nova_feed.cli", "api"], env=environment_of(stack) | {name: value},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert name in done.stderr
    assert canary not in done.stdout + done.stderr
