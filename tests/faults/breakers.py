"""What the breakers of the API's processes did, from the API's log."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

OPENED, PROBED, CLOSED = "opened", "probed", "closed"


class Breakers:
    """Everything from the moment this is made."""

    def __init__(self, log: Path) -> None:
        self._log, self._from = log, log.stat().st_size

    def of(self, store: str) -> dict[int, Counter[str]]:
        """process -> how often its breaker for this store opened, let a probe through, and closed."""
        found: dict[int, Counter[str]] = {}
        with self._log.open("rb") as lines:
            lines.seek(self._from)
            for text in lines:
                if b'"breaker.turned"' in text and (line := json.loads(text))["store"] == store:
                    found.setdefault(line["pid"], Counter())[line["turn"]] += 1
        return found

    def told(self, store: str) -> str:
        """The same in a few words, of all processes together."""
        total = sum(self.of(store).values(), Counter[str]())
        return f"breaker opened {total[OPENED]}, probed {total[PROBED]}, closed {total[CLOSED]} times"
