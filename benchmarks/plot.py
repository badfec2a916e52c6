"""Two pictures of measured numbers, as SVG: latency against load, and cost against size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
from matplotlib import ticker

COLOURS = {"p50_ms": "#7aa6c2", "p95_ms": "#c9622f", "p99_ms": "#7d2a2a"}


def latency(curves: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> Path:
    """One panel a scenario: P50, P95 and P99 over the requests a second that were asked, from when each was due."""
    shown = {name: points for name, points in curves.items() if points}
    figure, panels = plt.subplots(1, len(shown), figsize=(4.6 * len(shown), 3.4), squeeze=False, layout="constrained")
    for panel, (name, points) in zip(panels[0], shown.items(), strict=True):
        rates = [point["asked_per_s"] for point in points]
        for key, colour in COLOURS.items():
            panel.plot(
                rates, [point[key] for point in points], marker="o", markersize=3, color=colour, label=key[:3].upper()
            )
        panel.set(title=name, xlabel="requests/s asked, at a fixed rate", yscale="log", xlim=(0, None))
        panel.set_ylabel("ms from when it was due")
        panel.xaxis.set_major_locator(ticker.MaxNLocator(5))
        panel.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
        panel.grid(visible=True, which="both", alpha=0.25)
        panel.legend(frameon=False)
        _plain(panel.yaxis)
    return _save(figure, path)


def growth(points: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """The cost of a miss over the posts of the network, beside the square root of them; both axes logarithmic."""
    figure, panel = plt.subplots(figsize=(5.2, 3.6), layout="constrained")
    posts = [point["posts"] for point in points]
    cost = [point["ms_per_miss"] for point in points]
    panel.plot(posts, cost, marker="o", color="#c9622f", label="measured")
    panel.plot(
        posts, [cost[0] * (n / posts[0]) ** 0.5 for n in posts], "--", color="#888888", label="square root of the posts"
    )
    panel.set(xscale="log", yscale="log", xlabel="posts of 90 days", ylabel="ms of machine time a miss")
    panel.grid(visible=True, which="both", alpha=0.25)
    panel.legend(frameon=False)
    _plain(panel.yaxis)
    _plain(panel.xaxis)
    return _save(figure, path)


def _plain(axis: Any) -> None:
    """Numbers as one reads them, at 1, 2 and 5 of every power of ten."""
    axis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(
        ticker.FuncFormatter(lambda value, _: f"{value:,g}" if value < 1e6 else f"{value / 1e6:g} M")
    )
    axis.set_minor_formatter(ticker.NullFormatter())


def _save(figure: Any, path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path
