"""Programs that tests run and that pip cannot install: Prometheus and Alertmanager, from the system's packages."""

from __future__ import annotations

import os
import shutil

import pytest


def tool(*names: str) -> str:
    """The path of the first of these programs that is there.

    Skips the test when there is none; where REQUIRE_PROMETHEUS is set, as in continuous integration, fails it.
    """
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    missing = f"{names[0]} is not installed: `make setup-observe` installs it where apt-get is (as root)"
    if os.environ.get("REQUIRE_PROMETHEUS"):
        pytest.fail(missing)
    pytest.skip(missing)
