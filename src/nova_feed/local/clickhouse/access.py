"""Who may ask: ClickHouse's three ways to name a user, and never a web page."""

from __future__ import annotations

import hmac
from base64 import b64decode
from binascii import Error
from collections.abc import Mapping
from dataclasses import dataclass

from nova_feed.local.clickhouse.errors import ClickHouseError, Code


@dataclass(frozen=True, slots=True)
class Access:
    """The one user there is."""

    user: str = "default"
    password: str = ""

    def check(self, headers: Mapping[str, str], url: Mapping[str, str]) -> None:
        """Raises ClickHouseError: AUTHENTICATION_FAILED, or ACCESS_DENIED for what a browser sends.

        A page in a browser on this machine could otherwise post SQL to the loopback interface.
        """
        if "Origin" in headers or headers.get("Sec-Fetch-Site", "none") != "none":
            raise ClickHouseError.of(Code.ACCESS_DENIED, "Requests of web pages are refused")
        user, password = _credentials(headers, url)
        same = (_same(user, self.user), _same(password, self.password))
        if not all(same):
            raise _refused(user)


def _credentials(headers: Mapping[str, str], url: Mapping[str, str]) -> tuple[str, str]:
    if "X-ClickHouse-User" in headers:
        return headers["X-ClickHouse-User"], headers.get("X-ClickHouse-Key", "")
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = b64decode(value, validate=True).decode().partition(":")
        except (Error, UnicodeDecodeError) as error:
            raise _refused("") from error
        return user, password
    return url.get("user", "default"), url.get("password", "")


def _same(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode(), b.encode())


def _refused(user: str) -> ClickHouseError:
    return ClickHouseError.of(
        Code.AUTHENTICATION_FAILED,
        f"{user}: Authentication failed: password is incorrect, or there is no user with such name",
    )
