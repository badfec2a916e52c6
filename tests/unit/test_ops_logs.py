"""What a log line says, and what it never says. Each in a process of its own: logging is set up once per process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FAILING = """
import sys
import structlog
from nova_feed.ops import logs

logs.configure("info", sys.argv[1])
log = structlog.get_logger()

def read_with(password):
    raise ConnectionError("away")

try:
    read_with("hunter2" + str(len(sys.argv)))
except ConnectionError:
    log.exception("job.failed", job="relay")
log.debug("too.quiet")
"""

# Its standard error may take so many bytes and no more: what a full disk does, with another errno.
ON_A_FULL_DISK = """
import os, resource, signal
import structlog
from nova_feed.ops import logs

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
logs.configure("info", "json")
for _ in range(1000):
    structlog.get_logger().info("request", path="/api/v1/feed")
print("answered", flush=True)
os._exit(0)
"""


def logged(how: str) -> str:
    argv = [sys.executable, "-c", FAILING, how]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stderr


@pytest.mark.parametrize("how", ["json", "console", "auto"])
def test_a_traceback_says_where_it_happened_and_nothing_of_what_was_in_the_variables(how: str) -> None:
    text = logged(how)
    assert all(word in text for word in ("job.failed", "relay", "ConnectionError", "away", "read_with"))
    assert "hunter22" not in text


def test_away_from_a_terminal_a_line_is_one_json_object() -> None:
    [line] = logged("auto").splitlines()
    said = json.loads(line)
    assert (said["event"], said["level"], said["job"]) == ("job.failed", "error", "relay")
    assert said["timestamp"].endswith("Z")


def test_what_is_below_the_level_is_not_said() -> None:
    assert "too.quiet" not in logged("json")


def test_a_log_that_finds_no_room_fails_nobody(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as full:
        argv = [sys.executable, "-c", ON_A_FULL_DISK]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=full, text=True, timeout=60, check=True)
    assert done.stdout == "answered\n"
    assert 0 < (tmp_path / "log").stat().st_size <= 1000
