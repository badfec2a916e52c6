"""Mail by SMTP: one message with one file."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from nova_feed.errors import NovaError

TIMEOUT_S = 20.0
PORTS = {"smtp": 25, "smtps": 465}
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class MailError(NovaError):
    """The server was not reached, or did not take the message."""


@dataclass(frozen=True, slots=True)
class Mailer:
    """``url``: smtp://user:password@host:port (TLS when the server offers it) or smtps:// (TLS from the start)."""

    url: str = field(repr=False)
    sender: str
    recipients: tuple[str, ...]

    def send(self, subject: str, text: str, name: str, content: str) -> None:
        """Send ``text`` with the file ``name`` (CSV). Raises MailError."""
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = subject, self.sender, ", ".join(self.recipients)
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="nova-feed")
        message.set_content(text)
        message.add_attachment(content, subtype="csv", filename=name)
        host = urlsplit(self.url).hostname or ""
        try:
            with self._connect(host) as server:
                server.send_message(message)
        except (smtplib.SMTPException, OSError) as error:
            raise MailError(f"{host} did not take the report: {error}") from error

    def _connect(self, host: str) -> smtplib.SMTP:
        at, context = urlsplit(self.url), ssl.create_default_context()
        port = at.port or PORTS[at.scheme]
        secure = at.scheme == "smtps"
        server: smtplib.SMTP = (
            smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
            if secure
            else smtplib.SMTP(host, port, timeout=TIMEOUT_S)
        )
        server.ehlo()
        if not secure and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
            secure = True
        if at.username:
            if not secure and host not in LOOPBACK:
                server.close()
                raise MailError(f"{host} offers no TLS: the password was not sent to it")
            server.login(unquote(at.username), unquote(at.password or ""))
        return server
