"""Every server of the local stack keeps the contract of ``Service``: init, start, ready, stop, destroy."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from nova_feed.local import java_parts
from nova_feed.local.clickhouse_part import ClickHouse
from nova_feed.local.cluster import make
from nova_feed.local.kafka import Kafka
from nova_feed.local.ports import PortBook, free_port
from nova_feed.local.postgres import Postgres
from nova_feed.local.service import External, Managed, Service, ServiceError, until_ready
from nova_feed.local.valkey import Valkey
from tests.waiting import eventually

pytestmark = pytest.mark.contract


def _kafka(home: Path) -> Managed:
    jars = java_parts.class_path(java_parts.MAVEN, lambda *_: None)
    cluster = make(home, 1, PortBook(home / "ports.json"))
    return Kafka(home, cluster.nodes[0], cluster, java_parts.find_java(), jars)


MAKERS: dict[str, Callable[[Path], Managed]] = {
    "postgres": lambda home: Postgres(home, free_port()),
    "valkey": lambda home: Valkey(home, free_port()),
    "clickhouse": lambda home: ClickHouse(home, free_port()),
    "kafka": _kafka,
}


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that everybody may enter: PostgreSQL, started by root, runs as somebody else."""
    folder = Path(tempfile.mkdtemp(prefix="nova-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=MAKERS)
async def service(request: pytest.FixtureRequest, home: Path) -> AsyncIterator[Managed]:
    made = MAKERS[request.param](home)
    yield made
    await made.stop()
    made.destroy()


async def test_a_service_starts_survives_a_kill_and_leaves_nothing(service: Managed) -> None:
    assert (service.alive(), service.pids) == (False, ())
    for _ in range(2):
        service.init()
    first = await _started(service)

    os.kill(first, signal.SIGKILL)
    await eventually(lambda: _is_dead(service), 5)
    second = await _started(service)
    assert first != second

    await service.stop()
    assert (service.alive(), service.pids) == (False, ())
    assert not psutil.pid_exists(second)
    [answer] = await asyncio.gather(service.ready(), return_exceptions=True)
    assert isinstance(answer, Exception)
    service.destroy()
    assert not service.folder.exists()


async def test_a_service_whose_data_cannot_be_read_ends_with_the_end_of_its_log(home: Path) -> None:
    service = MAKERS["postgres"](home)
    service.init()
    (service.folder / "data" / "PG_VERSION").write_text("7\n")
    service.start()
    with pytest.raises(ServiceError, match=r"postgres ended while it was starting; the end of [^\n]*\n.*"):
        await until_ready(service)
    await service.stop()


async def test_a_server_that_somebody_else_runs_is_only_ever_asked(home: Path) -> None:
    ours = MAKERS["valkey"](home)
    ours.init()
    pid = await _started(ours)
    theirs: Service = External("valkey", ours.url, ours.ready)
    theirs.init()
    theirs.start()
    assert await until_ready(theirs) == await ours.ready()
    assert (theirs.alive(), theirs.pids) == (True, ())
    await theirs.stop()
    theirs.destroy()
    assert ours.pids == (pid,)
    await ours.stop()


async def _started(service: Managed) -> int:
    """Start, wait until it answers, and return the leading process."""
    service.start()
    assert await until_ready(service)
    assert service.alive()
    return service.pids[0]


async def _is_dead(service: Managed) -> bool:
    return not service.alive()
