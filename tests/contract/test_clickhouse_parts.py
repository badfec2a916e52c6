"""What a stop in the middle of a merge leaves: a part without marks. The engine starts, and nothing is lost."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from nova_feed.local.clickhouse.parts import SYMPTOM, set_aside_parts_without_marks
from tests.contract.conftest import ClickHouseProcess
from tests.contract.test_clickhouse_views import run

pytestmark = pytest.mark.contract
Start = Callable[..., ClickHouseProcess]
INSERTS, ROWS = 5, 1000


@pytest.mark.parametrize("wide", [False, True], ids=["compact", "wide"])
def test_a_merged_part_without_marks_is_set_aside_and_its_sources_are_read(
    own_clickhouse: Start, *, wide: bool
) -> None:
    server = own_clickhouse()
    server.value("CREATE DATABASE app")
    settings = f"min_bytes_for_wide_part = {0 if wide else 10**9}"
    run(server, f"CREATE TABLE t (a Int64, b String) ENGINE = MergeTree ORDER BY a SETTINGS {settings}")
    for i in range(INSERTS):
        run(server, f"INSERT INTO t SELECT number + {i * ROWS}, toString(number) FROM numbers({ROWS})")
    total = run(server, "OPTIMIZE TABLE t FINAL", "SELECT sum(a) FROM t")
    [path] = run(server, "SELECT path FROM system.parts WHERE active AND database = 'app' AND table = 't'").splitlines()
    server.signal(signal.SIGTERM)
    server.wait()
    [*marks] = [*Path(path).glob("*.cmrk*"), *Path(path).glob("*.mrk*")]
    marks[-1].write_bytes(b"")
    (Path(path) / "checksums.txt").unlink()  # the engine counts the bytes anew, and finds nothing wrong
    server = own_clickhouse()
    assert run(server, "SELECT sum(a) FROM t") == total
    assert not Path(path).exists()
    [aside] = (Path(path).parent / "detached").iterdir()
    assert aside.name == f"broken-on-start_{Path(path).name}"


def spoilt(server: ClickHouseProcess) -> str:
    """A table whose one part, just merged, has lost its marks while the server runs; the sum of its rows."""
    server.value("CREATE DATABASE app")
    run(server, "CREATE TABLE t (a Int64, b String) ENGINE = MergeTree ORDER BY a SETTINGS old_parts_lifetime = 60")
    for i in range(INSERTS):
        run(server, f"INSERT INTO t SELECT number + {i * ROWS}, toString(number) FROM numbers({ROWS})")
    total = run(server, "OPTIMIZE TABLE t FINAL", "SELECT sum(a) FROM t")
    [path] = run(server, "SELECT path FROM system.parts WHERE active AND database = 'app' AND table = 't'").splitlines()
    [marks] = Path(path).glob("*.cmrk*")
    marks.write_bytes(b"")
    (Path(path) / "checksums.txt").unlink()
    run(server, "SYSTEM DROP MARK CACHE")
    return total


def test_a_server_whose_query_finds_a_part_without_marks_ends_itself_and_starts_whole(own_clickhouse: Start) -> None:
    server = own_clickhouse()
    total = spoilt(server)
    assert SYMPTOM in server.post("SELECT sum(a) FROM t", database="app").text
    server.wait()
    server = own_clickhouse()
    assert run(server, "SELECT sum(a) FROM t") == total


def test_so_does_one_whose_refreshable_view_alone_finds_it(own_clickhouse: Start) -> None:
    server = own_clickhouse()
    total = spoilt(server)
    run(
        server,
        "CREATE MATERIALIZED VIEW v REFRESH EVERY 1 SECOND ENGINE = MergeTree ORDER BY s AS SELECT sum(a) AS s FROM t",
    )
    server.wait()
    server = own_clickhouse()
    assert run(server, "SELECT sum(a) FROM t") == total


def test_whole_parts_unfinished_ones_and_empty_ones_are_left_alone(tmp_path: Path) -> None:
    def part(name: str, rows: str, marks: bytes) -> Path:
        made = tmp_path / "store" / "abc" / "abcdef" / name
        made.mkdir(parents=True)
        (made / "count.txt").write_text(rows)
        (made / "data.cmrk4").write_bytes(marks)
        return made

    left = [part("all_1_1_0", "5", b"x"), part("tmp_merge_all_1_2_1", "5", b""), part("all_3_3_0", "0", b"")]
    broken = [
        part("20261129_9_380_61", "5", b""),
        part("20261129_381_390_2", "", b""),
    ]
    aside = [path.parent / "detached" / f"broken-on-start_{path.name}" for path in broken]
    assert sorted(set_aside_parts_without_marks(tmp_path)) == sorted(aside)
    assert all(path.exists() for path in left)
    assert set_aside_parts_without_marks(tmp_path) == []
