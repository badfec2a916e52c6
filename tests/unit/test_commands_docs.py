"""The documents in the tree are what the code says today."""

from __future__ import annotations

from pathlib import Path

import pytest

from nova_feed.commands.docs import documents, write
from nova_feed.ops.metrics import TABLE
from nova_feed.settings import Settings, env_name, load

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", documents())
def test_a_document_is_as_the_code_says_else_run_make_docs(path: str) -> None:
    assert (ROOT / path).read_text() == documents()[path]


def test_every_setting_and_every_metric_is_documented() -> None:
    written = documents()
    assert all(f"| `{env_name(field)}` |" in written["docs/settings.md"] for field in Settings.model_fields)
    assert all(f"| `{told.name}` |" in written["docs/metrics.md"] for told in TABLE)


def test_a_table_has_the_same_number_of_cells_in_every_row() -> None:
    for path in ("docs/settings.md", "docs/metrics.md"):
        rows = [line for line in documents()[path].splitlines() if line.startswith("|")]
        assert {row.count("|") for row in rows} == {5}


def test_the_example_environment_is_the_defaults() -> None:
    lines = [line for line in documents()[".env.example"].splitlines() if line and not line.startswith("#")]
    assert load(dict(line.split("=", 1) for line in lines)) == load({})


def test_what_is_up_to_date_is_not_written_again(tmp_path: Path) -> None:
    assert write(tmp_path) == list(documents())
    assert write(tmp_path) == []
    (tmp_path / "docs" / "metrics.md").write_text("something else")
    assert write(tmp_path) == ["docs/metrics.md"]
