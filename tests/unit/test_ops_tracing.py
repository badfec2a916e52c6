"""While traces are off there is nothing of them, and the setting is refused where they cannot be made."""

from __future__ import annotations

import subprocess
import sys

from nova_feed import bootstrap, settings

_CHECK = """
from nova_feed import bootstrap, settings
from nova_feed.errors import SettingsError
try:
    bootstrap.check(settings.load({}))
except SettingsError as error:
    print(error)
"""


def test_while_traces_are_off_nothing_that_makes_them_is_even_imported() -> None:
    code = (
        "import sys, nova_feed.bootstrap, nova_feed.commands.worker\n"
        "from nova_feed.ops import tracing\n"
        "with tracing.span('a'): assert tracing.traceparent() is None\n"
        "tracing.begin('b', 'producer', ['x']).end()\n"
        # (redis imports OpenTelemetry's API where it is installed.)
        "assert not {'nova_feed.ops.otel', 'opentelemetry.exporter'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_extra_the_setting_is_refused_with_what_to_do() -> None:
    secret = "s" * 32
    told = {"NOVA_OTEL_ENDPOINT": "http://localhost:4318", "NOVA_JWT_SECRET": secret, "NOVA_CURSOR_SECRET": secret}
    bootstrap.check(settings.load(told))
    code = f"import sys; sys.modules['opentelemetry'] = None\n{_CHECK.format(told)}"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "NOVA_OTEL_ENDPOINT" in answer.stdout
    assert "nova-feed[otel]" in answer.stdout
