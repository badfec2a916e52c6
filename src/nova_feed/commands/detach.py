"""``nova up --detach``: start the supervising process in the background, and return when it is ready."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from rich.console import Console

from nova_feed.commands.up import FACTS, Options
from nova_feed.errors import NovaError
from nova_feed.local import lock

DEADLINE_S = 1800


def run(options: Options, console: Console) -> None:
    """Raises NovaError with the last lines of its log when the process ends before it is ready."""
    running = lock.holder(options.home)
    if running is not None:
        raise lock.AlreadyRunningError(f"a stack runs in {options.home} already (pid {running}): `nova down` stops it")
    logs = options.home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    (options.home / FACTS).unlink(missing_ok=True)
    log = logs / "nova.log"
    start = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        child = subprocess.Popen(
            _argv(options), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    until = time.monotonic() + DEADLINE_S
    while not (options.home / FACTS).exists():
        if child.poll() is not None:
            with log.open(errors="replace") as text:
                text.seek(start)
                said = [line for line in text.read().splitlines() if line.startswith("nova: ")] or ["nova: see the log"]
            raise NovaError(f"{said[-1].removeprefix('nova: ')} (all of it: {log})")
        if time.monotonic() > until:
            child.terminate()
            raise NovaError(f"not ready after {DEADLINE_S} s: look at {log}")
        time.sleep(0.1)
    facts = json.loads((options.home / FACTS).read_text())
    console.print(
        f"ready after {facts['seconds']:.1f} s: {facts['api_url']}, facts in {options.home / FACTS}",
        highlight=False,
        soft_wrap=True,
    )


def _argv(options: Options) -> list[str]:
    argv = [sys.executable, "-m", "nova_feed.cli", "up", "--home", os.fspath(options.home), "--size", options.size]
    return (
        argv
        + ["--demo"] * options.demo
        + ["--observe"] * options.observe
        + (["--brokers", str(options.brokers)] if options.brokers else [])
        + (["--port", str(options.port)] if options.port else [])
    )
