"""The whole local stack, started and stopped with the command a user types."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient

from nova_feed.clock import SystemClock
from nova_feed.local.ports import free_port
from nova_feed.serving.auth import mint
from nova_feed.settings import Settings, env_name

_SETTINGS = frozenset(env_name(field) for field in Settings.model_fields)


class LocalStack:
    """One ``nova up`` in a home of its own. The caller's settings play no part in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.first_words = ""  # what the supervising process had said when it was up for the first time

    @classmethod
    def in_new_home(cls) -> LocalStack:
        """A folder that everybody may enter: PostgreSQL, started by root, runs as somebody else."""
        home = Path(tempfile.mkdtemp(prefix="nova-test-"))
        home.chmod(0o755)
        return cls(home / "nova")

    def nova(self, *arguments: str, timeout_s: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
        """``nova <arguments> --home <home>``, to its end."""
        inherited = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
        return subprocess.run(
            [sys.executable, "-m", "nova_feed.cli", *arguments, "--home", str(self.home)],
            capture_output=True, text=True, timeout=timeout_s, check=False, env=inherited | environment,
        )  # fmt: skip

    def up(self, *options: str) -> None:
        """Start, with the small sample network; returns when the first feed was served."""
        if not (self.home / "ports.json").exists():  # afterwards the port is the same as before
            options = ("--port", str(free_port()), *options)
        done = self.nova(
            "up", "--detach", "--demo", *options, timeout_s=300, NOVA_RUNTIME_FILE=str(self.runtime_file)
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stderr}\n{self.log()}"
        self.first_words = self.first_words or self.log()

    @property
    def runtime_file(self) -> Path:
        """The file of flags and configuration that the worker follows; nobody has written it yet."""
        return self.home / "runtime.json"

    @property
    def facts(self) -> dict[str, Any]:
        """``demo.json``, as it is now."""
        facts: dict[str, Any] = json.loads((self.home / "demo.json").read_text())
        return facts

    def pid(self, part: str) -> int | list[int] | None:
        """The pid of a part (a list for the API), None while it has none."""
        pid: int | list[int] | None = self.facts["pids"].get(part)
        return pid

    def copies(self) -> set[int]:
        """Of every partition of every topic, how many copies are in sync."""
        admin = AdminClient({"bootstrap.servers": self.facts["kafka_brokers"], "log_level": 0})
        topics = admin.list_topics(timeout=10).topics
        return {len(partition.isrs) for topic in topics.values() for partition in topic.partitions.values()}

    @property
    def jwt_secret(self) -> str:
        secret: str = json.loads((self.home / "secrets.json").read_text())["jwt"]
        return secret

    def token(self, user_id: int, scope: str = "") -> str:
        """A good token of this user, for an hour."""
        return mint(
            self.jwt_secret, user_id, issuer="nova-feed", audience="nova-feed",
            now_ms=SystemClock().now_ms(), life_s=3600, scope=scope,
        )  # fmt: skip

    def log(self) -> str:
        """The end of what the supervising process said."""
        path = self.home / "logs" / "nova.log"
        return path.read_text()[-4000:] if path.exists() else "(no log)"

    def remove(self) -> None:
        """Stop everything, whatever state it is in, and leave nothing behind."""
        self.nova("reset", "--yes")
        shutil.rmtree(self.home.parent, ignore_errors=True)


def bearer(stack: LocalStack, user_id: int, scope: str = "") -> dict[str, str]:
    """The header of a signed-in user."""
    return {"Authorization": f"Bearer {stack.token(user_id, scope)}"}
