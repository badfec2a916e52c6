"""From one request's settings and parameters to the next one's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.local.clickhouse.errors import ClickHouseError
from nova_feed.local.clickhouse.lexer import Kind, tokens
from nova_feed.local.clickhouse.state import State, identifier, literal, transition

_UNESCAPED = {"0": "\0", "n": "\n", "r": "\r", "t": "\t"}
NAMES = st.text("abc_", min_size=1, max_size=3)
STATES = st.builds(
    State,
    database=st.sampled_from(["default", "nova"]),
    settings=st.dictionaries(NAMES, st.text(max_size=5), max_size=3),
)


def unquoted(text: str) -> str:
    """A string literal read as ClickHouse reads it."""
    body, out = iter(text[1:-1]), []
    for character in body:
        if character == "\\":
            following = next(body)
            out.append(_UNESCAPED.get(following, following))
        else:
            out.append(character)
    return "".join(out)


@given(st.text())
def test_a_literal_is_one_token_that_reads_as_the_text(text: str) -> None:
    written = literal(text)
    assert [token.kind for token in tokens(written.encode("utf-8", "surrogatepass"))] == [Kind.QUOTED]
    assert unquoted(written) == text


@given(st.text(st.characters(codec="utf-8")))
def test_an_identifier_is_one_token(name: str) -> None:
    assert [token.kind for token in tokens(identifier(name).encode())] == [Kind.QUOTED]


@given(STATES)
def test_there_is_nothing_to_do_between_equal_states(state: State) -> None:
    assert transition(state, State(state.database, dict(state.settings), {}), {}) == ""


@given(STATES, STATES, st.dictionaries(NAMES, st.text("xyz", max_size=2), max_size=2))
def test_a_setting_that_is_not_asked_for_goes_back(now: State, wanted: State, base: dict[str, str]) -> None:
    statements = transition(now, wanted, base)
    for name in set(now.settings) - set(wanted.settings):
        if name not in base:
            assert f"{name}=DEFAULT" in statements
        elif now.settings[name] != base[name]:
            assert f"{name}={literal(base[name])}" in statements
    assert ("USE " in statements) is (now.database != wanted.database)


def test_only_what_differs_is_set() -> None:
    now = State("nova", {"a": "1", "b": "2"}, {"p": "x"})
    wanted = State("nova", {"a": "1", "b": "3"}, {"p": "x", "q": "it's"})
    assert transition(now, wanted, {}) == "SET b='3', param_q='it\\'s';"


@pytest.mark.parametrize("name", ["a b", "a=1, b", "", "a'", "1a"])
def test_a_name_that_no_setting_can_have_is_refused(name: str) -> None:
    with pytest.raises(ClickHouseError) as caught:
        transition(State(), State(settings={name: "1"}), {})
    assert caught.value.code == 115
