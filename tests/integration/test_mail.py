"""The daily report reaches a real SMTP server."""

from __future__ import annotations

import asyncio
import email
import email.policy
import socket
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from nova_feed.workers.mail import Mailer, MailError

pytestmark = pytest.mark.integration
PASSWORD = "p@ss:word"


class Mailbox:
    """Keeps what it takes; takes nothing for nobody@example.com."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []

    async def handle_RCPT(  # noqa: N802  the server's own name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody@"):
            return "550 there is no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.taken.append(envelope)
        return "250 OK"

    def message(self) -> EmailMessage:
        content = self.taken[-1].content
        assert isinstance(content, bytes)
        found = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(found, EmailMessage)
        return found


def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    login, password = getattr(data, "login", b""), getattr(data, "password", b"")
    return AuthResult(success=(login, password) == (b"nova", PASSWORD.encode()))


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def server(mailbox: Mailbox) -> Iterator[Controller]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    controller = Controller(
        mailbox, hostname="127.0.0.1", port=port, authenticator=authenticate, auth_require_tls=False
    )
    controller.start()
    yield controller
    controller.stop()


def mailer(server: Controller, login: str = "", *recipients: str) -> Mailer:
    return Mailer(f"smtp://{login}127.0.0.1:{server.port}", "nova@example.com", recipients or ("team@example.com",))


async def test_the_report_arrives_with_its_text_and_its_file(server: Controller, mailbox: Mailbox) -> None:
    to = mailer(server, "", "team@example.com", "boss@example.com")
    await asyncio.to_thread(
        to.send, "Nova Feed, 2026-11-25: ok", "42 viewers\n", "nova.csv", "day,viewers\r\n2026,42\r\n"
    )
    assert (mailbox.taken[0].mail_from, mailbox.taken[0].rcpt_tos) == (
        "nova@example.com", ["team@example.com", "boss@example.com"],
    )  # fmt: skip
    message = mailbox.message()
    body = message.get_body(("plain",))
    [file] = message.iter_attachments()
    assert (message["Subject"], body and body.get_content().splitlines()) == (
        "Nova Feed, 2026-11-25: ok",
        ["42 viewers"],
    )
    assert (file.get_filename(), file.get_content_type()) == ("nova.csv", "text/csv")
    assert file.get_content().splitlines() == ["day,viewers", "2026,42"]


async def test_name_and_password_of_the_url_sign_in(server: Controller, mailbox: Mailbox) -> None:
    await asyncio.to_thread(mailer(server, "nova:p%40ss%3Aword@").send, "s", "t", "n.csv", "c")
    assert len(mailbox.taken) == 1
    with pytest.raises(MailError, match=r"127\.0\.0\.1 did not take the report"):
        await asyncio.to_thread(mailer(server, "nova:wrong@").send, "s", "t", "n.csv", "c")
    assert len(mailbox.taken) == 1


async def test_a_server_that_refuses_or_is_not_there_is_named_without_the_password(server: Controller) -> None:
    with pytest.raises(MailError, match="no such mailbox"):
        await asyncio.to_thread(mailer(server, "", "nobody@example.com").send, "s", "t", "n.csv", "c")
    away = Mailer(f"smtp://nova:{PASSWORD}@127.0.0.1:1", "nova@example.com", ("team@example.com",))
    with pytest.raises(MailError) as found:
        await asyncio.to_thread(away.send, "s", "t", "n.csv", "c")
    assert PASSWORD not in str(found.value)
