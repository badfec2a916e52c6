"""The local stack's keys."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from nova_feed.errors import NovaError
from nova_feed.local.secrets import Secrets


def test_keys_are_made_once_and_differ_from_stack_to_stack(tmp_path: Path) -> None:
    one, again, other = Secrets(tmp_path / "a"), Secrets(tmp_path / "a"), Secrets(tmp_path / "b")
    assert one.environment() == again.environment()
    assert len({one.jwt, one.cursor, other.jwt, other.cursor}) == 4
    assert min(map(len, one.environment().values())) >= 32


def test_only_their_owner_may_read_them(tmp_path: Path) -> None:
    Secrets(tmp_path / "secrets.json")
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"jwt": "x"}', "null"])
def test_a_spoilt_file_is_named_and_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(text)
    with pytest.raises(NovaError, match=r"secrets\.json is spoilt: remove it"):
        Secrets(path)
    assert path.read_text() == text
