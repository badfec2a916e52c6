"""The queries' files: each says what it answers, and takes its values as parameters."""

from __future__ import annotations

import ast
import re
from importlib.resources import files
from pathlib import Path

import pytest

import nova_feed
from nova_feed.store.client import read

QUERIES = sorted(f.name.removesuffix(".sql") for f in (files("nova_feed.store") / "sql" / "queries").iterdir())
SOURCE = Path(nova_feed.__file__).parent
PARAMETER = re.compile(r"\{(\w+):\s*(?:Array\()?\w+\)?\}")


def selects() -> list[tuple[str, set[str]]]:
    """Every ``.select("name", parameter=...)`` and ``.whole("name")`` in the product."""
    calls = [
        node
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    ]
    return [
        (str(call.args[0].value), {keyword.arg or "" for keyword in call.keywords})
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"select", "whole"}
        and call.args and isinstance(call.args[0], ast.Constant)
    ]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_says_first_what_it_answers(query: str) -> None:
    assert re.match(r"-- [A-Z].{15,}", read(query))


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_one_statement_that_only_reads(query: str) -> None:
    sql = re.sub(r"--.*", "", read(query))
    assert ";" not in sql
    assert not re.search(r"\b(INSERT|ALTER|DROP|CREATE|DELETE|UPDATE|TRUNCATE|SYSTEM)\b", sql)


@pytest.mark.parametrize("query", QUERIES)
def test_values_reach_a_query_as_parameters_alone(query: str) -> None:
    sql = re.sub(r"--.*", "", read(query))
    assert not re.search(r"[{}$%]", PARAMETER.sub("", sql))


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_is_asked_somewhere_with_its_parameters(query: str) -> None:
    asked = [parameters for name, parameters in selects() if name == query]
    assert asked
    assert all(parameters == set(PARAMETER.findall(read(query))) for parameters in asked)


def test_every_query_that_is_asked_has_its_file() -> None:
    assert {name for name, _ in selects()} <= set(QUERIES)
