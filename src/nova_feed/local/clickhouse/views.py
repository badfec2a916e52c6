"""After a full disk: the engine may leave a view's own table with an empty definition, and then starts no more.

A refreshable view replaces its table at every refresh, so the table holds nothing that is not made again: it is made
anew, empty, and the next refresh fills it. A table of any other kind is left alone, and the engine names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

_OWN_TABLES = ("%2Einner_id%2E*.sql", "%2Etmp%2Einner_id%2E*.sql")
_VIEWS = """
SELECT format('`{}`.`.inner_id.{}`', database, toString(uuid)), create_table_query FROM system.tables
WHERE engine = 'MaterializedView' AND create_table_query LIKE '%) ENGINE = %'
    AND (database, format('.inner_id.{}', toString(uuid))) NOT IN (SELECT database, name FROM system.tables)
FORMAT TSVRaw
"""
_DEFINITION = re.compile(
    r"CREATE MATERIALIZED VIEW \S+ REFRESH [^(]*(\(.*?\) ENGINE = .*?)"
    r"(?: DEFINER = \S+ SQL SECURITY \w+)? AS (?:WITH|SELECT)\b"
)


def drop_empty_definitions(folder: Path) -> list[Path]:
    """Remove the empty definitions of views' own tables from a database that is not open; returns which."""
    found = [path for name in _OWN_TABLES for path in (folder / "store").glob(f"*/*/{name}") if not path.stat().st_size]
    for path in found:
        path.unlink()
    return found


def make_missing_tables(query: Callable[[str], str]) -> list[str]:
    """Make the own table of every refreshable view that has none; returns their names."""
    made = []
    for line in query(_VIEWS).splitlines():
        name, _, text = line.partition("\t")
        if definition := _DEFINITION.match(text):
            query(f"CREATE TABLE {name} {definition[1]}")
            made.append(name)
    return made
