"""ClickHouse's exceptions on the wire."""

from __future__ import annotations

import pytest

from nova_feed.local.clickhouse.errors import ClickHouseError, Code, http_status


@pytest.mark.parametrize(
    ("code", "status"),
    [(62, 400), (53, 400), (60, 404), (81, 404), (115, 404), (516, 403), (194, 401), (159, 408), (48, 501), (164, 500),
     (202, 500), (241, 500), (396, 500), (456, 500)],
)  # fmt: skip
def test_a_code_has_the_status_that_clickhouse_gives_it(code: int, status: int) -> None:
    assert http_status(code) == status


def test_the_first_code_of_the_engines_text_counts() -> None:
    text = "oops Code: 33. DB::Exception: Code: 34. DB::Exception: cut. (X) (version 1). (Y)"
    error = ClickHouseError.from_engine(text)
    assert error.code == 33
    assert error.text.startswith("Code: 33. DB::Exception: Code: 34.")


def test_a_text_without_a_code_is_an_unknown_exception() -> None:
    assert ClickHouseError.from_engine("no idea").code == Code.UNKNOWN_EXCEPTION
