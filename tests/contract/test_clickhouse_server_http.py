"""What goes over the wire to and from the embedded ClickHouse, and what survives the end of its process."""

from __future__ import annotations

import gzip
import json
import signal
import socket
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import lz4.frame  # type: ignore[import-untyped]
import pytest

from tests.contract.conftest import ClickHouseProcess

pytestmark = pytest.mark.contract

Start = Callable[..., ClickHouseProcess]
ROWS = 4_000_000  # several blocks of the engine


@pytest.fixture
def numbers(clickhouse: ClickHouseProcess) -> Iterator[str]:
    clickhouse.value("CREATE TABLE numbers (x UInt64) ENGINE = MergeTree ORDER BY x")
    yield "numbers"
    clickhouse.value("DROP TABLE numbers")


@pytest.fixture(scope="module")
def native(clickhouse: ClickHouseProcess) -> bytes:
    return clickhouse.post(f"SELECT number AS x FROM numbers({ROWS}) FORMAT Native").content


def insert(clickhouse: ClickHouseProcess, body: bytes, **headers: str) -> httpx.Response:
    encoding = {name.replace("_", "-"): value for name, value in headers.items()}
    return clickhouse.post(body, encoding, query="INSERT INTO numbers (x) FORMAT Native")


def count(clickhouse: ClickHouseProcess) -> int:
    return int(clickhouse.value("SELECT count() FROM numbers"))


def test_the_root_and_ping_say_ok(clickhouse: ClickHouseProcess) -> None:
    assert [httpx.get(clickhouse.url + path).text for path in ("/", "/ping")] == ["Ok.\n", "Ok.\n"]


def test_the_query_is_what_the_url_and_the_body_say_together(clickhouse: ClickHouseProcess) -> None:
    assert clickhouse.value("+ 1", query="SELECT 1") == "2"
    assert httpx.get(clickhouse.url, params={"query": "SELECT 3"}).text == "3\n"


def test_a_get_only_reads(clickhouse: ClickHouseProcess) -> None:
    answer = httpx.get(clickhouse.url, params={"query": "CREATE TABLE never (x UInt8) ENGINE = Memory"})
    assert answer.headers["X-ClickHouse-Exception-Code"] == "164"
    assert clickhouse.value("EXISTS TABLE never") == "0"


def test_the_headers_say_what_the_result_is(clickhouse: ClickHouseProcess) -> None:
    answer = clickhouse.post("SELECT number FROM numbers(5)", query_id="mine", default_format="JSONEachRow")
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine"
    assert answer.headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert answer.headers["X-ClickHouse-Timezone"] == "UTC"
    assert answer.headers["Content-Type"].startswith("application/")
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["read_rows"] == "5"
    assert clickhouse.post("SELECT 1 FORMAT CSV").headers["X-ClickHouse-Format"] == "CSV"
    assert clickhouse.post("SELECT 1").headers["X-ClickHouse-Query-Id"]


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        ("SELECT * FROM nowhere", 404, "60"),
        ("SELEC", 400, "62"),
        ("", 400, "62"),
        ("SELECT 1; DROP TABLE x", 400, "62"),
        ("SELECT throwIf(1)", 500, "395"),
        ("SELECT count() FROM numbers(1000000000000) SETTINGS max_execution_time = 0.05", 408, "159"),
        ("SELECT '" + "x" * 262_144 + "'", 400, "62"),
        ("SELECT '" + "x" * 2_000_000 + "'", 400, "62"),
    ],
)
def test_an_exception_has_clickhouses_status_and_code(
    clickhouse: ClickHouseProcess, sql: str, status: int, code: str
) -> None:
    answer = clickhouse.post(sql)
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (status, code)
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate", "lz4", "zstd"])
def test_a_compressed_body_is_inserted(
    clickhouse: ClickHouseProcess, numbers: str, native: bytes, encoding: str
) -> None:
    half = len(native) // 2
    parts = [
        compress(encoding, part) for part in ((native[:half], native[half:]) if encoding != "deflate" else (native,))
    ]
    answer = insert(clickhouse, b"".join(parts), Content_Encoding=encoding)
    assert answer.status_code == 200, answer.text
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"] == str(ROWS)
    assert count(clickhouse) == ROWS


@pytest.mark.parametrize("encoding", ["gzip", "lz4", "zstd"])
def test_a_cut_compressed_body_inserts_nothing(
    clickhouse: ClickHouseProcess, numbers: str, native: bytes, encoding: str
) -> None:
    answer = insert(clickhouse, compress(encoding, native)[:-3], Content_Encoding=encoding)
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (500, "271")
    assert count(clickhouse) == 0


@pytest.mark.parametrize("cut", [1, 10, 1_000_000])
def test_a_cut_body_inserts_nothing(clickhouse: ClickHouseProcess, numbers: str, native: bytes, cut: int) -> None:
    answer = insert(clickhouse, native[:-cut])
    assert answer.status_code >= 400
    assert answer.headers["X-ClickHouse-Exception-Code"]
    assert count(clickhouse) == 0


def test_a_bad_row_after_a_million_good_ones_inserts_nothing(clickhouse: ClickHouseProcess, numbers: str) -> None:
    rows = b"".join(b"%d\n" % number for number in range(1_500_000)) + b"not a number\n"
    answer = clickhouse.post(rows, query="INSERT INTO numbers FORMAT TSV")
    assert answer.status_code == 400
    assert count(clickhouse) == 0


def test_a_connection_that_breaks_in_the_midst_of_a_body_inserts_nothing(
    clickhouse: ClickHouseProcess, numbers: str, native: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", clickhouse.port)) as client:
        line = "POST /?query=INSERT+INTO+numbers+FORMAT+Native HTTP/1.1"
        head = f"{line}\r\nHost: x\r\nContent-Length: {len(native)}\r\n\r\n"
        client.sendall(head.encode() + native[: len(native) // 2])
    assert count(clickhouse) == 0
    assert clickhouse.value("SELECT 1") == "1"


def test_a_read_whose_client_left_is_cancelled(clickhouse: ClickHouseProcess) -> None:
    endless = "SELECT sum(number) FROM numbers(1000000000000)"
    for _ in range(9):  # one more than there are connections
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(clickhouse.url, content=endless, timeout=0.2)
    while running(clickhouse, endless):
        pass
    assert clickhouse.value("SELECT 1") == "1"


def test_the_body_of_a_form_is_a_query(clickhouse: ClickHouseProcess) -> None:
    form = {"query": (None, "SELECT {x:UInt8}"), "param_x": (None, "7")}
    assert httpx.post(clickhouse.url, files=form).text == "7\n"


@pytest.mark.parametrize("headers", [{"Origin": "https://example.org"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_web_page_is_refused(clickhouse: ClickHouseProcess, headers: dict[str, str]) -> None:
    assert clickhouse.post("SELECT 1", headers).status_code == 403


def test_a_password_is_asked_for_when_one_is_set(own_clickhouse: Start) -> None:
    server = own_clickhouse(NOVA_CLICKHOUSE_USER="feed", NOVA_CLICKHOUSE_PASSWORD="secret")
    assert server.post("SELECT 1").status_code == 403
    assert server.post("SELECT 1", {"X-ClickHouse-User": "feed", "X-ClickHouse-Key": "secret"}).text == "1\n"
    assert httpx.post(server.url, content="SELECT 1", auth=("feed", "secret")).text == "1\n"
    refused = httpx.post(server.url, content="SELECT 1", auth=("feed", "wrong"))
    assert (refused.status_code, refused.headers["X-ClickHouse-Exception-Code"]) == (403, "516")
    assert httpx.get(f"{server.url}/queries").status_code == 403
    asked = httpx.get(f"{server.url}/queries", auth=("feed", "secret")).json()
    assert [(row["text"], row["count"]) for row in asked] == [("SELECT ?", 2)]


def test_queries_that_took_longer_than_asked_about_are_slow(clickhouse: ClickHouseProcess) -> None:
    clickhouse.value("SELECT sleep(0.05) AS nap")
    for slow_ms, slow in ((1, 1), (5_000, 0)):
        told = httpx.get(f"{clickhouse.url}/queries", params={"slow_ms": slow_ms}).raise_for_status().json()
        assert [row["slow"] for row in told if row["text"] == "SELECT sleep(?) AS nap"] == [slow]
    wrong = httpx.get(f"{clickhouse.url}/queries", params={"slow_ms": "fast"})
    assert (wrong.status_code, wrong.headers["X-ClickHouse-Exception-Code"]) == (400, "72")


def test_limits_of_connections_results_and_bodies_hold(own_clickhouse: Start) -> None:
    server = own_clickhouse("--connections", "1", "--queue", "0", "--max-result", "100000", "--max-body", "1000000")
    assert server.post("SELECT number FROM numbers(100000)").headers["X-ClickHouse-Exception-Code"] == "396"
    generous = {"max_result_bytes": 0, "default_format": "Native"}
    assert server.post("SELECT number FROM numbers(100000)", **generous).headers["X-ClickHouse-Exception-Code"] == "396"
    server.value("CREATE TABLE numbers (x UInt8) ENGINE = Memory")
    assert insert(server, bytes(1_000_001)).headers["X-ClickHouse-Exception-Code"] == "396"
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: server.post("SELECT sleep(1)"), range(4)))
    assert sorted({answer.status_code for answer in answers}) == [200, 500]
    codes = {answer.headers["X-ClickHouse-Exception-Code"] for answer in answers if answer.status_code == 500}
    assert codes == {"202"}


def test_what_was_inserted_survives_kill_9(own_clickhouse: Start) -> None:
    server = own_clickhouse()
    server.value("CREATE DATABASE nova")
    server.value("CREATE TABLE nova.numbers (x UInt64) ENGINE = MergeTree ORDER BY x")
    for _ in range(3):
        server.value("INSERT INTO nova.numbers SELECT number FROM numbers(1000)")
    with ThreadPoolExecutor(1) as pool:
        cut = pool.submit(
            server.post, "INSERT INTO nova.numbers SELECT number + sleep(1) FROM numbers(3) SETTINGS max_block_size = 1"
        )
        while not running(server, "INSERT INTO nova.numbers SELECT number + sleep"):
            pass
        server.signal(signal.SIGKILL)
        assert isinstance(cut.exception(), httpx.TransportError)
    assert server.wait() == -signal.SIGKILL
    again = own_clickhouse()
    assert again.value("SELECT count(), sum(x) FROM nova.numbers") == f"3000\t{3 * sum(range(1000))}"


def test_sigterm_lets_a_running_query_answer_and_ends_with_0(own_clickhouse: Start) -> None:
    server = own_clickhouse()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.post, "SELECT sleep(2)")
        while not running(server, "SELECT sleep(2)"):
            pass
        server.signal(signal.SIGTERM)
        assert answer.result().text == "0\n"
    assert server.wait() == 0
    assert "stopped" in server.log()


def running(server: ClickHouseProcess, sql: str) -> int:
    """How many statements like ``sql`` run."""
    like = "SELECT count() FROM system.processes WHERE position(query, {q:String}) > 0 AND query NOT LIKE '%processes%'"
    return int(server.value(like, param_q=sql))


def compress(encoding: str, data: bytes) -> bytes:
    if encoding == "zstd":
        zstd = pytest.importorskip("backports.zstd")
        return bytes(zstd.compress(data))
    ways: dict[str, Callable[[bytes], bytes]] = {
        "": bytes, "gzip": lambda raw: gzip.compress(raw, 1), "deflate": lambda raw: zlib.compress(raw, 1),
        "lz4": lz4.frame.compress,
    }  # fmt: skip
    return ways[encoding](data)


def test_a_body_as_curl_sends_it_is_the_query_whatever_its_content_type(clickhouse: ClickHouseProcess) -> None:
    for kind in ("application/x-www-form-urlencoded", "text/plain", "application/octet-stream"):
        answer = httpx.post(clickhouse.url, content=b"SELECT 1 + 1", headers={"Content-Type": kind})
        assert (answer.status_code, answer.text) == (200, "2\n")
