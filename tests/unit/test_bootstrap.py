"""The composition root refuses settings that no process could be made of."""

from __future__ import annotations

import pytest

from nova_feed.bootstrap import mailer
from nova_feed.errors import SettingsError
from nova_feed.settings import load

MAIL = {"NOVA_SMTP_URL": "smtp://x:25", "NOVA_REPORT_FROM": "a@example.com", "NOVA_REPORT_TO": "b@example.com, c@x.org"}


def test_the_report_goes_to_everybody_who_is_named() -> None:
    found = mailer(load(MAIL))
    assert found is not None
    assert (found.sender, found.recipients) == ("a@example.com", ("b@example.com", "c@x.org"))
    assert mailer(load({})) is None


@pytest.mark.parametrize("missing", MAIL)
def test_half_a_mail_is_refused(missing: str) -> None:
    with pytest.raises(SettingsError, match="belong together"):
        mailer(load({name: value for name, value in MAIL.items() if name != missing}))
