"""The daily job: which day is due, made once, told as a table."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime

import pytest
from prometheus_client import REGISTRY

from nova_feed.feed.daily import COUNTS, RATES, Day
from nova_feed.workers.daily import DailyJob, as_csv, as_text, due
from nova_feed.workers.mail import MailError
from tests.unit.test_clock import VirtualClock
from tests.unit.test_feed_daily import NOTHING, Bench

Sent = tuple[str, str, str, str]
DAY = Day("2026-11-25", 1, 1000, 1000, 42, 800, 60, 30, 100, 5, 2, 1500, 9000, 1440)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("now", "day"),
    [("2026-11-26T01:00:00", date(2026, 11, 25)), ("2026-11-26T00:59:59", date(2026, 11, 24)),
     ("2026-11-26T23:59:59", date(2026, 11, 25)), ("2026-03-01T01:00:00", date(2026, 2, 28))],
)  # fmt: skip
def test_a_day_is_due_from_one_in_the_morning_of_the_next(now: str, day: date) -> None:
    assert due(at(now)) == day


async def test_the_day_that_is_due_is_made_once_whoever_asks_how_often() -> None:
    bench, clock = Bench(), VirtualClock()
    day = due(clock.now_ms()).isoformat()
    assert [await DailyJob(bench.daily, None, clock).step() for _ in range(3)] == [1, 0, 0]
    job = DailyJob(bench.daily, None, clock)
    assert [await job.step(), await job.step()] == [0, 0]
    assert (list(bench.store.rows), bench.store.counted) == ([day], 1)


async def test_the_next_day_is_made_when_its_time_has_come() -> None:
    bench, clock = Bench(), VirtualClock()
    job = DailyJob(bench.daily, None, clock)
    await job.step()
    clock.pass_s(86_400)
    assert await job.step() == 1
    assert len(bench.store.rows) == 2


async def test_a_day_without_events_is_kept_and_nobody_is_written_to() -> None:
    sent: list[Sent] = []
    bench, clock = Bench(), VirtualClock()
    await DailyJob(bench.daily, lambda *told: sent.append(told), clock).step()
    assert (len(bench.store.rows), sent) == (1, [])


async def test_the_report_says_how_it_went_and_has_every_figure_in_a_file() -> None:
    sent: list[Sent] = []
    assert await DailyJob(Bench().daily, lambda *told: sent.append(told), VirtualClock()).mail(DAY)
    [(subject, text, name, file)] = sent
    assert (subject, text, name) == ("Nova Feed, 2026-11-25: ok", as_text(DAY), "nova-2026-11-25.csv")
    [row] = csv.DictReader(io.StringIO(file))
    assert list(row) == ["day", *COUNTS, *RATES]
    assert (row["viewers"], row["ctr"], row["recommendation_ctr"], row["health"]) == ("42", "0.075", "0.05", "ok")


async def test_a_report_that_nobody_takes_is_counted_and_the_job_goes_on() -> None:
    def refuse(*_: str) -> None:
        raise MailError("mail.example.com did not take the report: 550")

    labels = {"result": "failed"}
    before = REGISTRY.get_sample_value("nova_feed_daily_reports_total", labels) or 0
    assert not await DailyJob(Bench().daily, refuse, VirtualClock()).mail(DAY)
    assert REGISTRY.get_sample_value("nova_feed_daily_reports_total", labels) == before + 1


def test_what_could_not_be_divided_is_empty_in_the_file_and_a_dash_in_the_text() -> None:
    [row] = csv.DictReader(io.StringIO(as_csv([NOTHING])))
    assert (row["ctr"], row["health"]) == ("", "unknown")
    assert "nan" not in as_text(NOTHING).lower()
    assert "None" not in as_text(NOTHING)
