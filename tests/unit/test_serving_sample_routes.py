"""Writing as the app does: only where it is switched on, and nothing that is not asked for well."""

from __future__ import annotations

import pytest

from nova_feed import bootstrap, settings
from nova_feed.errors import InvalidInputError
from nova_feed.serving.sample_routes import _SQL, _read

SECRETS = {"NOVA_JWT_SECRET": "s" * 32, "NOVA_CURSOR_SECRET": "c" * 32}


def paths(**told: str) -> set[str]:
    return {route.path for route in bootstrap.admin_routes(settings.load({**SECRETS, **told}))}


def test_without_the_setting_there_is_no_such_route() -> None:
    assert "/admin/sample" not in paths()
    assert paths(NOVA_SAMPLE_WRITES="true") - paths() == {"/admin/sample"}


@pytest.mark.parametrize("write", _SQL)
def test_each_write_has_as_many_values_as_its_statement(write: str) -> None:
    target = "" if write == "post" else ',"target_id":7'
    wanted = _read(f'{{"write":"{write}","user_id":5{target}}}'.encode())
    assert (wanted.user_id, wanted.target_id) == (5, 7 if target else None)
    assert ("$2" in _SQL[write]) == bool(target)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "JSON"), (b"\xff", "JSON"), (b"[]", "object"), (b"{}", "write"), (b'{"write":"like"}', "user_id"),
        (b'{"write":"drop","user_id":1,"target_id":1}', "there are post, like"),
        (b'{"write":"like","user_id":1}', "target_id"), (b'{"write":"post","user_id":1,"target_id":1}', "target_id"),
        (b'{"write":"like","user_id":0,"target_id":1}', "user_id"),
        (b'{"write":"like","user_id":1,"target_id":9223372036854775808}', "target_id"),
        (b'{"write":"like","user_id":"1","target_id":1}', "user_id"), (b'{"write":1,"user_id":1}', "write"),
        (b'{"write":"post","user_id":1,"more":1}', "more"), (b'{"write":"post","user_id":true}', "user_id"),
    ],
)  # fmt: skip
def test_a_wrong_body_is_refused_with_the_field_and_what_would_be_right(body: bytes, told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        _read(body)
