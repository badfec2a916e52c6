"""What a live run has done so far, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Statistics:
    """Counts since the start. ``elapsed_s`` is how long it has run.

    ``changes``: statements of each kind that changed a row; ``without_effect``: those that found nothing to change (a
    like that was there, a post just deleted). ``events``: per action, in batches the server took; ``answers``: the
    server's own words about them (accepted, deduped, invalid). ``errors`` by "what: name of the failure"; ``statuses``
    of all HTTP answers. ``skipped``: what fell due while its lane was full, by kind.
    """

    elapsed_s: float = 0.0
    changes: Counter[str] = field(default_factory=Counter)
    without_effect: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
