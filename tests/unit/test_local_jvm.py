"""A Java server's temp folder is its own, and empty when it starts."""

from __future__ import annotations

from pathlib import Path

from nova_feed.local import jvm


def test_the_temp_folder_lies_with_the_server_and_a_start_empties_it(tmp_path: Path) -> None:
    jvm.prepare(tmp_path, level="WARN")
    [told] = [option for option in jvm.options(tmp_path, 256, busy=True) if option.startswith("-Djava.io.tmpdir=")]
    temp = Path(told.partition("=")[2])
    assert temp.parent == tmp_path
    (temp / "liblz4-java-1.so").touch()
    jvm.prepare(tmp_path, level="WARN")
    assert list(temp.iterdir()) == []
