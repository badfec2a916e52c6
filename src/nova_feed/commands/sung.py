"""What ``nova status`` says of the canary, from the worker's own metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

EVENT_STAGES = ("accept", "broker", "clickhouse", "counters", "cache", "feed")


@dataclass(frozen=True, slots=True)
class Sung:
    """The last round that came to its end: ``at`` (Unix time, 0: none yet), and seconds by stage. Failures by stage."""

    at: float = 0.0
    seconds: Mapping[str, float] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """For scripts."""
        return {"at": self.at or None, "seconds": dict(self.seconds), "failures": dict(self.failures)}

    def short(self, now: float) -> str:
        """For the table."""
        if not self.at:
            return "no canary yet"
        ago = f"{max(0.0, now - self.at):.0f} s ago"
        return f"event in feed {self.seconds['feed']:.2f} s, post {self.seconds['post']:.2f} s ({ago})"

    def line(self) -> str:
        """For below the table: where the time goes, and what failed."""
        stages = ", ".join(f"{s} {self.seconds[s] * 1000:.0f}" for s in EVENT_STAGES if s in self.seconds)
        failed = ", ".join(f"{count} at {stage}" for stage, count in self.failures.items() if count)
        parts = (f"ms after the event: {stages}" if stages else "", f"failed rounds: {failed}" if failed else "")
        return "; ".join(part for part in parts if part)


def read(exposition: str) -> Sung:
    """What a worker's metrics say of its canary."""
    at, seconds, failures = 0.0, {}, {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            stage = sample.labels.get("stage", "")
            if sample.name == "nova_feed_canary_last_success_timestamp_seconds":
                at = sample.value
            elif sample.name == "nova_feed_canary_seconds":
                seconds[stage] = sample.value
            elif sample.name == "nova_feed_canary_failures_total" and sample.value:
                failures[stage] = int(sample.value)
    return Sung(at, seconds, failures)
