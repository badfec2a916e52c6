"""What a person sees while the stack starts: a bar that says what it is doing; plain lines without a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Show:
    """Phases with their seconds. ``phases`` is what `benchmarks/cold_start` reads."""

    def __init__(self, console: Console, progress: Progress, task: TaskID, total: int) -> None:
        self._console, self._progress, self._task, self._total = console, progress, task, total
        self._began = time.monotonic()
        self._done = 0
        self.phases: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """One of the phases; its seconds are kept and printed."""
        start = time.monotonic()
        self._progress.update(self._task, description=name)
        yield
        self.phases[name] = round(time.monotonic() - start, 2)
        self._done += 1
        self._progress.update(self._task, completed=self._done, description=name)
        self._console.print(f"  [green]✓[/] {name} [dim]{self.phases[name]:.1f} s[/]", highlight=False)

    def within(self, done: int, total: int, what: str) -> None:
        """How far the present phase is."""
        self._progress.update(
            self._task, completed=self._done + done / max(1, total), description=f"{what} {done:,}/{total:,}"
        )

    def say(self, text: str) -> None:
        """One line of detail."""
        self._console.print(f"    [dim]{text}[/]", highlight=False)

    @property
    def seconds(self) -> float:
        """Since the start."""
        return round(time.monotonic() - self._began, 2)


@contextmanager
def showing(console: Console, total: int) -> Iterator[Show]:
    """Show ``total`` phases."""
    columns = (BarColumn(24), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Show(console, progress, progress.add_task("starting", total=total), total)
