"""What the person on call reads: each kind of alert, firing and over, by e-mail and in Slack."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tools import tool

FOLDER = Path(__file__).parents[2] / "deploy" / "alertmanager"
CONFIG: dict[str, Any] = yaml.safe_load((FOLDER / "alertmanager.yml").read_text())
LEADS = {
    "latency": "People wait", "cache": "The cache answers too little", "pipeline": "does not reach the feed",
    "infrastructure": "A part is away",
}  # fmt: skip


def data(kind: str, status: str, alerts: int = 1) -> dict[str, Any]:
    """What Alertmanager hands to a template."""
    labels = {"alertname": "KafkaLagHigh", "severity": "page", "kind": kind}
    annotations = {"summary": "nova_cdc is behind", "value": "1m 30s behind", "threshold": "30 s for 5 minutes",
                   "action": "nova cdc status", "runbook_url": "docs/runbook/KafkaLagHigh.md"}  # fmt: skip
    one = {"status": status, "labels": labels, "annotations": annotations, "startsAt": "2026-11-26T03:00:00Z"}
    return {"receiver": "on-call", "status": status, "alerts": [one] * alerts, "commonLabels": labels}


def rendered(template: str, what: dict[str, Any], folder: Path) -> str:
    (folder / "data.json").write_text(json.dumps(what))
    done = subprocess.run(
        [tool("amtool"), "template", "render", f"--template.glob={FOLDER}/templates/*.tmpl",
         f'--template.text={{{{ template "{template}" . }}}}', f"--template.data={folder / 'data.json'}"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_alertmanager_takes_the_configuration_and_its_templates() -> None:
    done = subprocess.run(
        [tool("amtool"), "check-config", str(FOLDER / "alertmanager.yml")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("severity", "receiver"), [("page", "on-call"), ("ticket", "tickets")])
def test_who_is_told_follows_from_how_bad_it_is(severity: str, receiver: str) -> None:
    done = subprocess.run(
        [tool("amtool"), "config", "routes", "test", f"--config.file={FOLDER / 'alertmanager.yml'}",
         f"severity={severity}"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == receiver


@pytest.mark.parametrize("template", ["nova.text", "nova.slack"])
@pytest.mark.parametrize("kind", LEADS)
def test_a_notification_says_what_it_means_what_was_measured_and_what_to_do(
    kind: str, template: str, tmp_path: Path
) -> None:
    text = rendered(template, data(kind, "firing"), tmp_path)
    assert LEADS[kind] in text
    for told in (
        "nova_cdc is behind",
        "1m 30s behind",
        "30 s for 5 minutes",
        "nova cdc status",
        "docs/runbook/Kafka",
    ):
        assert told in text
    assert "<no value>" not in text


def test_its_title_says_how_bad_it_is_or_that_it_is_over_and_for_how_many(tmp_path: Path) -> None:
    titles = [rendered("nova.title", data("cache", *how), tmp_path).strip() for how in (("firing",), ("resolved",))]
    assert titles == ["[page] KafkaLagHigh", "[over] KafkaLagHigh"]
    assert rendered("nova.title", data("cache", "firing", 3), tmp_path).strip() == "[page] KafkaLagHigh (3)"


def test_what_is_over_is_said_to_be_over(tmp_path: Path) -> None:
    text = rendered("nova.text", data("latency", "resolved"), tmp_path)
    assert text.startswith("It is over.")
    assert LEADS["latency"] not in text


def test_no_secret_stands_in_the_configuration() -> None:
    assert {name for name in CONFIG["global"] if "password" in name or "url" in name} == {
        "smtp_auth_password_file", "slack_api_url_file",
    }  # fmt: skip
