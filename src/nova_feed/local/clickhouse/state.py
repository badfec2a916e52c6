"""What a connection remembers between statements, and the SQL that turns one such state into another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from nova_feed.local.clickhouse.errors import ClickHouseError, Code

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\0": "\\0", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


@dataclass(frozen=True, slots=True)
class State:
    """Settings are as ClickHouse's HTTP interface has them: text. Parameters are in its escaped (TSV) text."""

    database: str = "default"
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


def literal(text: str) -> str:
    """``text`` as a string literal of ClickHouse's SQL."""
    return f"'{text.translate(_ESCAPES)}'"


def identifier(name: str) -> str:
    """``name`` as a quoted identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def transition(now: State, wanted: State, base: Mapping[str, str]) -> str:
    """The statements, each ended by a semicolon, that lead from ``now`` to ``wanted``; empty when they are the same.

    A setting that ``wanted`` does not name goes back to its value in ``base``, or else to the engine's default. A
    parameter cannot be taken back: the caller must see to it that no statement meets one it was not given. Raises
    ClickHouseError (UNKNOWN_SETTING) for a name that no setting can have.
    """
    if now == wanted:  # the hot path: the same client asks again
        return ""
    settings = {**base, **wanted.settings}
    changes = [f"{_checked(k)}={literal(v)}" for k, v in settings.items() if now.settings.get(k, base.get(k)) != v]
    changes += [f"{k}=DEFAULT" for k in now.settings if k not in settings]
    changes += [f"param_{k}={literal(v)}" for k, v in wanted.parameters.items() if now.parameters.get(k) != v]
    use = f"USE {identifier(wanted.database)};" if now.database != wanted.database else ""
    return use + (f"SET {', '.join(changes)};" if changes else "")


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ClickHouseError.of(Code.UNKNOWN_SETTING, f"Unknown setting {literal(name)}")
    return name
