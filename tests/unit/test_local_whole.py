"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from nova_feed.local.whole import write_whole

# A process that may write so many bytes to a file and no more: what a full disk does, with another errno.
LIMITED = """
import resource, signal, sys
from pathlib import Path
from nova_feed.local.whole import write_whole
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    write_whole(Path(sys.argv[1]), "x" * 1000)
except OSError as error:
    sys.exit(error.errno)
"""


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file.json"
    for text in ("one", "another, longer", ""):
        write_whole(path, text)
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_file_has_its_mode_from_its_first_byte_on(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    (tmp_path / "file.partial").touch(mode=0o666)  # of a writer that was killed
    write_whole(path, "secret", mode=mode)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, "as it was")
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], timeout=60, check=False)
    assert done.returncode == errno.EFBIG
    assert path.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [path]
