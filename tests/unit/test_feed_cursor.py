"""Cursors: what goes in comes out, for its viewer alone, and nothing else comes in."""

from __future__ import annotations

import base64
import dataclasses
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.errors import CursorError, CursorExpiredError
from nova_feed.feed.cursor import TAIL, Cursor, CursorSigner
from nova_feed.feed.frozen import LONGEST
from nova_feed.model import MAX_ID
from tests.unit.test_ranking_candidates import law

IDS = st.integers(1, MAX_ID)
CURSORS = st.builds(
    Cursor,
    viewer_id=IDS,
    list_id=st.binary(min_size=9, max_size=9).map(lambda raw: base64.urlsafe_b64encode(raw).decode()),
    position=st.integers(0, LONGEST),
    served=st.integers(0, LONGEST),
    last_post_id=IDS,
    last_score=st.floats(0, 2.0**21),
    tail=st.lists(IDS, max_size=TAIL).map(tuple),
)
SIGNER = CursorSigner("k" * 32)
ONE = Cursor(7, "AAECAwQFBgcI", 50, 50, 1234, 0.75, (3, 1, 4, 1))
ALPHABET = string.ascii_letters + string.digits + "-_+/="


@law
@given(CURSORS)
def test_a_cursor_comes_back_as_it_was(cursor: Cursor) -> None:
    assert SIGNER.decode(SIGNER.encode(cursor), cursor.viewer_id) == cursor


@law
@given(CURSORS, CURSORS)
def test_cursors_are_as_long_as_each_other_and_need_no_quoting(one: Cursor, other: Cursor) -> None:
    text = SIGNER.encode(one)
    assert len(text) == len(SIGNER.encode(other))
    assert set(text) <= set(string.ascii_letters + string.digits + "-_")


@pytest.mark.parametrize("at", range(len(SIGNER.encode(ONE))))
def test_a_cursor_with_one_other_character_is_refused(at: int) -> None:
    text = SIGNER.encode(ONE)
    for other in set(ALPHABET) - {text[at]}:
        with pytest.raises(CursorError):
            SIGNER.decode(text[:at] + other + text[at + 1 :], ONE.viewer_id)


def test_a_cursor_cut_off_anywhere_is_refused() -> None:
    text = SIGNER.encode(ONE)
    for end in range(len(text)):
        with pytest.raises(CursorError):
            SIGNER.decode(text[:end], ONE.viewer_id)


@law
@given(st.text(max_size=200) | st.text(min_size=115, max_size=115))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(CursorError):
        SIGNER.decode(text, ONE.viewer_id)


@law
@given(CURSORS, IDS)
def test_a_cursor_is_good_for_its_viewer_alone(cursor: Cursor, viewer: int) -> None:
    if viewer != cursor.viewer_id:
        with pytest.raises(CursorError, match="another viewer"):
            SIGNER.decode(SIGNER.encode(cursor), viewer)


def test_a_cursor_of_another_version_has_expired_and_is_still_its_viewers_alone() -> None:
    body = b"\0" + base64.urlsafe_b64decode(SIGNER.encode(ONE) + "==")[1:-16]
    text = base64.urlsafe_b64encode(body + SIGNER._mac(body)).decode().rstrip("=")
    with pytest.raises(CursorExpiredError, match="start again"):
        SIGNER.decode(text, ONE.viewer_id)
    with pytest.raises(CursorError, match="another viewer"):
        SIGNER.decode(text, ONE.viewer_id + 1)


def test_a_cursor_signed_with_another_key_is_refused() -> None:
    with pytest.raises(CursorError, match="altered"):
        SIGNER.decode(CursorSigner("o" * 32).encode(ONE), ONE.viewer_id)


def test_hosts_with_the_same_key_read_each_others_cursors() -> None:
    assert CursorSigner("k" * 32).decode(SIGNER.encode(ONE), ONE.viewer_id) == ONE


def test_only_the_last_authors_are_remembered() -> None:
    longer = dataclasses.replace(ONE, tail=(9, 8, *ONE.tail))
    assert SIGNER.decode(SIGNER.encode(longer), ONE.viewer_id) == ONE
