"""Faults come last, in the order of their rows: they break what the other tests share. Their report is written here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from nova_feed.store.client import Store
from tests.faults.bench import Bench
from tests.faults.report import PATH, Report
from tests.stack import LocalStack

LONGEST_S = 1_800  # of one row, in full
_REPORT = pytest.StashKey[Report]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_REPORT] = Report()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("faults") is not None)
    if config.getoption("faults") == "full":
        for item in items:
            if item.get_closest_marker("faults"):
                item.add_marker(pytest.mark.timeout(LONGEST_S))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    report = config.stash.get(_REPORT, None)
    if report is not None and report.lines:
        terminalreporter.section(f"faults ({PATH})")
        for line in report.table():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def fault_report(pytestconfig: pytest.Config) -> Iterator[Report]:
    """The lines of this run; written to build/faults.json when it ends."""
    report = pytestconfig.stash.setdefault(_REPORT, Report())
    yield report
    report.write()


@pytest.fixture
async def bench(stack: LocalStack, fault_report: Report, pytestconfig: pytest.Config) -> AsyncIterator[Bench]:
    """The shared stack, under test; it is normal again when the test ends."""
    store = Store(stack.facts["clickhouse_url"], timeout_s=20, name="nova faults")
    yield Bench(stack, store, fault_report, full=pytestconfig.getoption("faults") == "full")
    await store.close()
