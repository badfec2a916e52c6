"""Wrong uses that need no server to be noticed: one sentence that says what to do, and exit code 1."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from nova_feed.settings import Settings, env_name

SECRET = "a secret of a test, 32 characters"
SIGNED = {"NOVA_JWT_SECRET": SECRET, "NOVA_CURSOR_SECRET": SECRET}
_SETTINGS = frozenset(env_name(field) for field in Settings.model_fields)


def nova(folder: Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """``nova <command>`` in ``folder``, with these settings alone."""
    inherited = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
    return subprocess.run(
        [sys.executable, "-m", "nova_feed.cli", *command.split()],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False, env=inherited | environment,
    )  # fmt: skip


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stdout + done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("nova: ")
    return line.removeprefix("nova: ")


@pytest.mark.parametrize("command", ["migrate", "cdc status", "cdc verify", "cdc register", "events verify"])
def test_without_a_stack_and_without_a_url_a_command_says_how_to_get_one(tmp_path: Path, command: str) -> None:
    assert refusal(nova(tmp_path, command)).startswith("no stack runs in .nova, and none of POSTGRES_URL, ")


@pytest.mark.parametrize("command", ["status", "simulate --seconds 1", "audit"])
def test_what_needs_the_local_stack_says_how_to_start_it(tmp_path: Path, command: str) -> None:
    assert refusal(nova(tmp_path, command)) == "no stack runs in .nova: `nova up` starts one"


@pytest.mark.parametrize("command", ["migrate", "cdc verify"])
def test_a_server_that_is_not_there_is_named(tmp_path: Path, command: str) -> None:
    said = refusal(nova(tmp_path, command, POSTGRES_URL="postgresql://nova:hunter2@127.0.0.1:1/nova"))
    assert said.startswith("postgres is unavailable: ")
    assert "127.0.0.1" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("command", ["api", "worker"])
@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "exactly one of NOVA_JWT_SECRET, "),
        ({"NOVA_JWT_SECRET": SECRET}, "NOVA_CURSOR_SECRET must be set"),
        ({"NOVA_JWT_SECRET": "short"}, "NOVA_JWT_SECRET=(hidden) is wrong: must have at least 32 characters"),
        (SIGNED | {"LOG_LEVEL": "loud"}, "LOG_LEVEL='loud' is wrong: "),
        (SIGNED | {"NOVA_LOGLEVEL": "info"}, "unknown setting NOVA_LOGLEVEL"),
        (SIGNED | {"NOVA_LISTS_DIR": "/dev/null/lists"}, "NOVA_LISTS_DIR must be a folder, or where one can be made: "),
    ],
)
def test_a_process_with_wrong_settings_ends_before_it_begins(
    tmp_path: Path, command: str, environment: dict[str, str], told: str
) -> None:
    assert refusal(nova(tmp_path, command, **environment)).startswith(told)


@pytest.mark.usefixtures("socket_enabled")
@pytest.mark.parametrize(("command", "setting"), [("api", "HTTP_PORT"), ("worker", "NOVA_ADMIN_PORT")])
def test_a_process_whose_port_is_taken_names_it_and_the_setting(tmp_path: Path, command: str, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refusal(nova(tmp_path, command, **SIGNED, **{setting: port}))
    assert said == f"cannot listen on 127.0.0.1, port {port} (Address already in use): change {setting}"


def test_an_admin_listener_that_does_not_answer_is_named_with_its_address(tmp_path: Path) -> None:
    said = refusal(nova(tmp_path, "admin flags --url http://127.0.0.1:1", **SIGNED))
    assert said.startswith("the admin listener at http://127.0.0.1:1 does not answer: ")


def test_the_admin_commands_say_what_token_they_need(tmp_path: Path) -> None:
    assert refusal(nova(tmp_path, "admin flags")).startswith("NOVA_JWT_SECRET is not set")


def test_a_pair_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    said = refusal(nova(tmp_path, "admin config set weight --url http://127.0.0.1:1", **SIGNED))
    assert said == "'weight' must be NAME=VALUE, such as weight_freshness=0.5"
