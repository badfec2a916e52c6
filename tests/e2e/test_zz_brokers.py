"""``nova up --brokers 3``: three brokers, three copies of everything, and a home that stays what it was made as.

Runs near the end: it starts a stack of its own beside the one that others share.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource

from nova_feed.local import java_parts
from nova_feed.local.ports import free_port
from nova_feed.store.client import Store
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
BROKERS = ("kafka", "kafka-2", "kafka-3")
JAVA = (*BROKERS, "connect")
BACK_S = 60


@pytest.fixture(scope="module")
def three() -> Iterator[LocalStack]:
    """A stack of three brokers, without people in it."""
    running = LocalStack.in_new_home()
    try:
        done = running.nova("up", "--detach", "--brokers", "3", "--port", str(free_port()), timeout_s=300)
        assert done.returncode == 0, f"{done.stderr}\n{running.log()}"
        yield running
    finally:
        running.remove()


async def test_each_broker_is_a_part_of_its_own_and_clients_are_told_of_all(three: LocalStack) -> None:
    told = three.nova("status", "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    ports = {part["part"]: part["where"] for part in json.loads(told.stdout)["parts"] if part["part"] in BROKERS}
    assert tuple(ports) == BROKERS
    assert three.facts["kafka_brokers"] == ",".join(f"127.0.0.1:{port}" for port in ports.values())
    assert all((three.home / "logs" / f"{name}.log").exists() for name in BROKERS)
    store = Store(three.facts["clickhouse_url"], name="nova tests")
    made = (await store.sql("SELECT create_table_query AS made FROM system.tables WHERE engine = 'Kafka'"))["made"]
    await store.close()
    assert [three.facts["kafka_brokers"] in str(table) for table in made] == [True] * 3


def test_every_topic_whoever_made_it_has_three_copies_of_which_two_must_have_what_is_acknowledged(
    three: LocalStack,
) -> None:
    admin = AdminClient({"bootstrap.servers": three.facts["kafka_brokers"], "log_level": 0})
    topics = admin.list_topics(timeout=10).topics
    assert {"events", "cdc.posts", "nova_connect_offsets", "nova_connect_configs", "nova_connect_status",
            "__consumer_offsets"} <= topics.keys()  # fmt: skip
    asked = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, name) for name in topics])
    for topic, config in asked.items():
        assert {len(partition.replicas) for partition in topics[topic.name].partitions.values()} == {3}, topic.name
        assert config.result(10)["min.insync.replicas"].value == "2", topic.name


@pytest.mark.skipif(not Path("/proc").exists(), reason="what a process has open is read from /proc")
async def test_java_leaves_nothing_in_the_systems_temp_folder(three: LocalStack) -> None:
    # A broker unpacks its native libraries with the first compressed batch that it has to look into.
    unpacked = lambda: asyncio.sleep(0, any(three.home.glob("*/tmp/liblz4-java-*")))  # noqa: E731
    await eventually(unpacked, BACK_S)
    for part in JAVA:
        pid = three.pid(part)
        assert isinstance(pid, int)
        assert f"-Djava.io.tmpdir={three.home / part / 'tmp'}" in psutil.Process(pid).cmdline()
        assert [path for path in _held(pid) if _is_litter(path, three.home)] == [], part


async def test_a_broker_that_is_killed_comes_back_and_catches_up(three: LocalStack) -> None:
    pid = three.pid("kafka-2")
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: _is_whole(three, pid), BACK_S)
    assert three.facts["restarts"]["kafka-2"] == 1


def test_another_number_is_refused_and_without_one_the_home_keeps_its_own(three: LocalStack) -> None:
    places, pids = three.facts["kafka_brokers"], [three.pid(part) for part in JAVA]
    assert three.nova("down").stdout.strip() == "stopped"
    assert not [pid for pid in pids if isinstance(pid, int) and psutil.pid_exists(pid)]
    before = _files(three.home)
    for options in ((), ("--detach",)):
        refused = three.nova("up", "--brokers", "1", *options)
        assert refused.returncode == 1
        [line] = refused.stderr.strip().splitlines()
        assert "was made with 3 Kafka brokers" in line
    assert _files(three.home) == before
    done = three.nova("up", "--detach", timeout_s=300)
    assert done.returncode == 0, f"{done.stderr}\n{three.log()}"
    assert three.facts["kafka_brokers"] == places
    assert set(BROKERS) <= three.facts["pids"].keys()


async def _is_whole(stack: LocalStack, killed: int) -> bool:
    """Whether the broker runs again, and every partition has three copies in sync."""
    pid = stack.pid("kafka-2")
    return pid not in {None, killed} and await asyncio.to_thread(stack.copies) == {3}


def _held(pid: int) -> set[str]:
    """Every file that this process has open or mapped, whether or not it was removed meanwhile."""
    mapped = (line.split(maxsplit=5) for line in Path(f"/proc/{pid}/maps").read_text().splitlines())
    held = {fields[5] for fields in mapped if len(fields) == 6}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            held.add(str(entry.readlink()))
    return held


def _is_litter(path: str, home: Path) -> bool:
    """Whether it lies in the system's temp folder; home, programs and jars may lie there, too, and are none."""
    ours = tuple(f"{folder}/" for folder in (home, sys.prefix, java_parts.MAVEN))
    return path.startswith(("/tmp/", f"{tempfile.gettempdir()}/")) and not path.startswith(ours)


def _files(home: Path) -> dict[Path, int]:
    """Every file below ``home`` but logs and lock, and when it was last written to (ns)."""
    found = (path for path in home.rglob("*") if path.is_file() and path.parent.name != "logs" and path.name != "lock")
    return {path: path.stat().st_mtime_ns for path in found}
