"""Schemathesis makes requests of every kind from the served OpenAPI document: the answers are those it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.stack import LocalStack

pytestmark = pytest.mark.e2e
LONGEST_S = 120
# Not judged: what a schema cannot say (a batch with a wrong item is 202 with a result for each; ids must exist).
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "unsupported_method", "allow_header_conformance", "ignored_auth",
)  # fmt: skip


@pytest.mark.timeout(LONGEST_S + 30)
def test_every_operation_answers_whatever_it_is_asked_as_its_document_says(stack: LocalStack, tmp_path: Path) -> None:
    url, report, document = stack.facts["api_url"], tmp_path / "report.json", tmp_path / "openapi.json"
    document.write_text(
        httpx.get(f"{url}/openapi.json", timeout=10).text
    )  # from its URL, that would not be asked again
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("st")), "run", str(document), "--url", url,
            "--header", f"Authorization: Bearer {stack.token(1)}", "--checks", ",".join(CHECKS),
            "--phases", "examples,coverage,fuzzing", "--max-examples", "30", "--seed", "7", "--no-shrink",
            "--continue-on-failure", "--request-timeout", "10", "--suppress-health-check", "all", "--warnings", "off",
            "--report", "json", "--report-json-path", str(report),
        ],
        capture_output=True, text=True, timeout=LONGEST_S, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    told = json.loads(report.read_text())
    print(f"schemathesis: {told['operations']}, {told['test_cases']} in {told['running_time']:.0f} s")
    asked = sum(len(operations) for operations in json.loads(document.read_text())["paths"].values())
    assert told["operations"]["tested"] == asked
    assert told["test_cases"]["generated"] > 20 * asked
