"""What an audit reports: counts by law, and a verdict that neither an error nor silence can turn good."""

from __future__ import annotations

import json

import pytest

from nova_feed.commands.audit import EXAMPLES, Report
from nova_feed.feed.laws import Finding, Law


def test_a_report_is_lawful_when_something_was_read_and_nothing_was_wrong() -> None:
    report = Report(pages=1)
    assert report.lawful
    assert not Report().lawful


@pytest.mark.parametrize("law", Law)
def test_one_finding_of_any_kind_breaks_it_and_is_counted_under_its_name(law: Law) -> None:
    report = Report(pages=1)
    report.add(7, [Finding(law, 42, "deleted")])
    told = report.as_payload()
    assert not told["lawful"]
    assert {name: told[name] for name in Law} == {name: int(name is law) for name in Law}
    assert told["forbidden"] == ({"deleted": 1} if law is Law.FORBIDDEN else {})
    assert "viewer 7, post 42" in told["examples"][0]


def test_a_feed_that_could_not_be_read_is_no_success() -> None:
    report = Report(pages=1)
    report.errors["410: expired"] += 1
    assert not report.lawful


def test_examples_are_few_and_everything_is_counted() -> None:
    report = Report(pages=1)
    report.add(7, [Finding(Law.SKIP, post, "left out") for post in range(1000)])
    told = json.loads(json.dumps(report.as_payload()))
    assert (told["skips"], len(told["examples"])) == (1000, EXAMPLES)
