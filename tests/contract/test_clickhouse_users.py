"""deploy/clickhouse/users.sql, carried out by the embedded engine: each process can do its work, and nothing else.

The engine's own user may not make users, but ``users_config`` in its connection string, together
with a config.xml where it is started, gives that user the rights of another.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

import nova_feed
from nova_feed.store.client import read
from nova_feed.store.migrate import migrations
from nova_feed.workers.tables import SLOW
from tests.contract.conftest import ClickHouseProcess

pytestmark = pytest.mark.contract
USERS = Path(__file__).parents[2] / "deploy" / "clickhouse" / "users.sql"
SOURCE = Path(nova_feed.__file__).parent
PROCESSES = (("nova_api", ("feed", "serving")), ("nova_worker", ("feed", "workers")))
VALUES = {"Array": [], "Date": "2026-01-01", "String": "", "Int64": 1, "UInt32": 1, "UInt16": 1, "Float64": 1.0}
RUN = """
import chdb, json, sys
folder, statements = json.load(sys.stdin)
engine = chdb.connect(folder)
engine.query("USE nova")
answers = []
for sql, parameters in statements:
    try:
        engine.query(sql, "Null", parameters or None)
        answers.append("")
    except Exception as error:
        answers.append(str(error))
print(json.dumps(answers))
"""
Statement = tuple[str, dict[str, Any]]


def said() -> list[str]:
    """The statements of the file."""
    text = re.sub(r"--.*", "", USERS.read_text())
    return [" ".join(one.split()) for one in text.split(";") if one.strip()]


def rights(user: str) -> str:
    """What the file says of a user, as the engine's configuration has it."""
    root = ET.Element("clickhouse")
    ET.SubElement(ET.SubElement(root, "quotas"), "default")
    profile = ET.SubElement(ET.SubElement(root, "profiles"), "default")
    bounds = ET.SubElement(profile, "constraints")
    for statement in said():
        if statement.startswith(f"CREATE SETTINGS PROFILE IF NOT EXISTS {user} SETTINGS "):
            for name, value, bound in re.findall(r"(\w+) = (\d+)((?: (?:MIN|MAX|CONST)(?: [\d.]+)?)*)", statement):
                ET.SubElement(profile, name).text = value
                least_most = ET.SubElement(bounds, name)
                for word, number in re.findall(r"(MIN|MAX|CONST)(?: ([\d.]+))?", bound):
                    ET.SubElement(least_most, {"CONST": "readonly"}.get(word, word.lower())).text = number
    default = ET.SubElement(ET.SubElement(root, "users"), "default")
    for name, value in {"password": "", "profile": "default", "quota": "default"}.items():
        ET.SubElement(default, name).text = value
    ET.SubElement(ET.SubElement(default, "networks"), "ip").text = "::/0"
    grants = ET.SubElement(default, "grants")
    for statement in said():
        if found := re.fullmatch(rf"((?:GRANT|REVOKE) .*) (?:TO|FROM) {user}", statement):
            ET.SubElement(grants, "query").text = found[1]
    return ET.tostring(root, encoding="unicode")


def run(data: Path, user: str, statements: list[Statement]) -> list[str]:
    """What each statement failed with as that user, "" for nothing."""
    config = data / "config.xml"
    config.write_text(rights(user))
    told = json.dumps([f"{data / 'engine'}?users_config={config}", statements])
    done = subprocess.run([sys.executable, "-c", RUN], input=told, stdout=subprocess.PIPE, text=True, timeout=60,
                          check=True, cwd=data)  # fmt: skip
    answers: list[str] = json.loads(done.stdout)
    return answers


def asked(*packages: str) -> list[str]:
    """The queries that these packages send."""
    calls = [node for package in packages for path in (SOURCE / package).rglob("*.py")
             for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]  # fmt: skip
    return sorted({
        str(call.args[0].value) for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"select", "whole"}
        and call.args and isinstance(call.args[0], ast.Constant)
    })  # fmt: skip


def statement(query: str) -> Statement:
    """A query with some value for each of its parameters."""
    return read(query), {name: VALUES[kind] for name, kind in re.findall(r"\{(\w+):\s*(\w+)", read(query))}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped engine's folder with the product's tables."""
    server = ClickHouseProcess(tmp_path_factory.mktemp("users") / "data")
    server.start()
    try:
        server.value("CREATE DATABASE nova")
        for migration in migrations():
            for sql in migration.statements({"KAFKA_BROKERS": "127.0.0.1:1", "KAFKA_CONSUMERS": "1"}):
                answer = server.post(sql, database="nova")
                assert answer.status_code == 200, answer.text
    finally:
        server.stop()
    return server.data


def test_every_statement_is_one_of_clickhouse(clickhouse: ClickHouseProcess) -> None:
    for sql in said():
        quoted = sql.replace("\\", "\\\\").replace("'", "\\'")
        assert clickhouse.post(f"SELECT formatQuery('{quoted}')").status_code == 200, sql


@pytest.mark.parametrize(("user", "packages"), PROCESSES)
def test_each_process_can_ask_all_it_asks(data: Path, user: str, packages: tuple[str, ...]) -> None:
    queries = asked(*packages)
    assert "pairs" in queries
    answers = run(data, user, [statement(query) for query in queries])
    assert {query: answer for query, answer in zip(queries, answers, strict=True) if answer} == {}


def test_the_worker_writes_what_it_writes(data: Path) -> None:
    ours = {name for migration in migrations()[1:]  # the first has copies of the app's tables, which the app writes
            for name in re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", migration.sql)}  # fmt: skip
    sources = [path.read_text() for package in ("feed", "workers") for path in (SOURCE / package).rglob("*.py")]
    written = {name for source in sources for name in re.findall(r"INSERT INTO (\w+)", source)} & ours
    assert written == {"bad_rows_sent", "daily_metrics"}
    work: list[Statement] = [(f"INSERT INTO {name} SELECT * FROM {name} WHERE 0", {}) for name in written]
    views: list[Statement] = [(f"SYSTEM REFRESH VIEW {view}", {}) for view in ("hot_posts", *SLOW)]
    assert set(run(data, "nova_worker", [*work, *views])) == {""}


def test_tables_of_the_system_are_granted_to_who_reads_them() -> None:
    """The embedded engine shows them to everybody; a server's usual configuration does not."""
    for user, packages in PROCESSES:
        tables = {name for query in asked(*packages) for name in re.findall(r"FROM (system\.\w+)", read(query))}
        assert tables <= {one for sql in said() for one in re.findall(rf"GRANT SELECT ON (system\.\w+) TO {user}", sql)}
        assert (user == "nova_worker") == bool(tables)


FORBIDDEN = (
    "INSERT INTO posts SELECT * FROM posts", "DROP TABLE posts", "ALTER TABLE posts DELETE WHERE 1",
    "CREATE TABLE mine (a Int64) ENGINE = Memory",
    "SELECT * FROM cdc_queue", "SELECT * FROM events_queue", "SELECT * FROM recent_queue",
    "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a Int64')",
    "SELECT * FROM file('/etc/passwd', 'CSV', 'a String')",
    "SELECT * FROM remote('127.0.0.1:1', 'nova', 'posts')",
    "SELECT 1 SETTINGS max_execution_time = 61", "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT 1 SETTINGS max_memory_usage = 3000000000", "SELECT 1 SETTINGS max_result_rows = 3000000",
    "SELECT 1 SETTINGS max_threads = 9", "SELECT 1 SETTINGS readonly = 0", "SELECT 1 SETTINGS allow_ddl = 1",
)  # fmt: skip
REFUSED = re.compile("ACCESS_DENIED|READONLY|SETTING_CONSTRAINT_VIOLATION|QUERY_IS_PROHIBITED")


def test_the_api_can_do_nothing_else(data: Path) -> None:
    answers = run(data, "nova_api", [(sql, {}) for sql in FORBIDDEN])
    assert [sql for sql, answer in zip(FORBIDDEN, answers, strict=True) if not REFUSED.search(answer)] == []


def test_no_table_of_kafka_is_readable_for_the_api() -> None:
    made = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+) [^;]*?ENGINE = Kafka")
    queues = {name for migration in migrations() for name in made.findall(migration.sql)}
    assert queues == {name for sql in FORBIDDEN for name in re.findall(r"FROM (\w+_queue)", sql)}
