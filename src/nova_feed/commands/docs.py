"""``nova docs``: the documents that follow from the code. A test keeps each equal to what is written here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from nova_feed.ops.metrics import TABLE
from nova_feed.serving.openapi import document
from nova_feed.settings import SECRETS, Settings, env_name

_WRITTEN = "Written by `make docs`: change the code, not this file."


def documents() -> dict[str, str]:
    """Path below the project's folder -> text."""
    return {
        ".env.example": _env_example(),
        "docs/settings.md": _settings(),
        "docs/metrics.md": _metrics(),
        "docs/openapi.json": json.dumps(document(), indent=1) + "\n",
    }


def write(root: Path) -> list[str]:
    """Write every document below ``root``; returns the paths of those that changed."""
    changed = [path for path, text in documents().items() if not _is(root / path, text)]
    for path in changed:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(documents()[path])
    return changed


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


def _fields() -> Iterator[tuple[str, FieldInfo]]:
    return ((env_name(field), info) for field, info in Settings.model_fields.items())


def _default(info: FieldInfo) -> str:
    value = info.default
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _env_example() -> str:
    lines = [f"# Every setting with its default. {_WRITTEN}"]
    for name, info in _fields():
        lines += ["", f"# {info.description}", f"{name}={_default(info)}"]
        if name in SECRETS:
            lines += [f"# {name}_FILE="]
    return "\n".join(lines) + "\n"


def _settings() -> str:
    rows = [(f"`{name}`", f"`{_default(info)}`" if _default(info) else "", _allowed(info), info.description or "")
            for name, info in _fields()]  # fmt: skip
    return f"""# Settings

{_WRITTEN}

Settings are environment variables, read once at the start. An unknown `NOVA_` name, or a value that is wrong, is refused
with one sentence. {", ".join(f"`{name}`" for name in SECRETS)} may each come from a file: `NAME_FILE` instead of `NAME`.

{_table(("name", "default", "allowed", "meaning"), rows)}"""


def _allowed(info: FieldInfo) -> str:
    """The bounds of a number, the choices of a word."""
    bounds = {kind: getattr(rule, kind) for rule in info.metadata for kind in ("ge", "gt", "le") if hasattr(rule, kind)}
    if bounds:
        least = f"> {bounds['gt']}" if "gt" in bounds else str(bounds["ge"])
        return f"{least} to {bounds['le']}"
    return ", ".join(getattr(info.annotation, "__args__", ()))


def _metrics() -> str:
    rows = [(f"`{told.name}`", ", ".join(told.labels), told.meaning, told.remedy) for told in TABLE]
    return f"""# Metrics

{_WRITTEN}

Prometheus reads them at `/metrics`, which only listeners on a loopback address answer. The processes of one service share
`PROMETHEUS_MULTIPROC_DIR`, and any of them answers for all; API and worker have a folder each, so that whoever reads both
counts nothing twice. Durations are in seconds and sizes in bytes, as Prometheus has it, where the task list this product was
made from writes `_ms`. A share (the cache's hit rate) is no metric: it is a quotient of two counters, which add up over
processes as shares do not. No label is a user, a post or an address, not even where that list asks for one
(`user_id` on `dedup_posts_removed`): a series for each user would cost Prometheus more than the feed itself. Dashboards and
alerts: [observability.md](observability.md).

{_table(("name", "labels", "meaning", "what to do"), rows)}"""


def _table(headers: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [headers, ("---",) * len(headers), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)
