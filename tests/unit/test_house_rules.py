"""The rules of the house that a program can check."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import nova_feed

ROOT = Path(nova_feed.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
PACKAGES = sorted(path.parent for path in MODULES if path.name == "__init__.py")
TESTS = sorted(path for path in Path(__file__).parents[1].rglob("*.py") if path != Path(__file__))
DRAWERS = {"util", "utils", "common", "helper", "helpers", "base", "manager", "misc", "shared", "core", "lib"}
STEPS = {
    "capture": "1", "ingest": "1b", "stream": "2", "store": "3", "cache": "4", "ranking": "5",
    "feed": "6", "serving": "7",
}  # fmt: skip
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> list[FUNCTION]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, FUNCTION)]


def lines_of(node: FUNCTION) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_at_most_400_lines_long_and_says_what_it_is(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_function_is_at_most_50_lines_long(path: Path) -> None:
    assert not [node.name for node in functions(path) if lines_of(node) > 50]


def test_a_test_module_is_at_most_600_lines_long() -> None:
    assert not [path.name for path in TESTS if len(path.read_text().splitlines()) > 600]


def test_nothing_is_called_after_a_drawer() -> None:
    names = {path.stem for path in (*MODULES, *TESTS)} | {package.name for package in PACKAGES}
    assert not names & DRAWERS


def test_every_folder_of_modules_is_a_package() -> None:
    assert {path.parent for path in MODULES} == set(PACKAGES)


def test_the_stages_stand_in_the_packages_docstring_in_the_order_of_the_path() -> None:
    assert re.findall(r"``(\w+)``", nova_feed.__doc__ or "") == list(STEPS)


@pytest.mark.parametrize("stage", STEPS)
def test_a_stage_is_a_package_that_says_its_place_in_the_path(stage: str) -> None:
    said = ast.get_docstring(ast.parse((ROOT / stage / "__init__.py").read_text())) or ""
    assert said.startswith(f"Step {STEPS[stage]} of 7.")


def test_no_test_patches_what_it_tests() -> None:
    for path in TESTS:
        names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        assert not names & {"patch", "Mock", "MagicMock", "AsyncMock", "monkeypatch", "mocker"}, path.name
