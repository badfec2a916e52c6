"""Our own processes as parts of a stack, beside another stack."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nova_feed.local.app import App
from nova_feed.local.service import Command, ServiceError
from tests.stack import LocalStack

pytestmark = pytest.mark.integration


class Deaf(App):
    """A process that runs and listens nowhere."""

    def command(self) -> Command:
        return Command((sys.executable, "-c", "import signal; signal.pause()"))


async def test_an_answer_of_another_stack_at_its_address_does_not_make_a_part_ready(
    stack: LocalStack, tmp_path: Path
) -> None:
    part = Deaf("api", stack.facts["api_url"], tmp_path, {})
    part.start()
    try:
        with pytest.raises(ServiceError, match="something else answers"):
            await part.ready()
    finally:
        await part.stop()
