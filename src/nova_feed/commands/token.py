"""``nova token``: a token for development."""

from __future__ import annotations

from nova_feed.clock import SystemClock
from nova_feed.errors import SettingsError
from nova_feed.serving.auth import mint
from nova_feed.settings import Settings


def mint_for(settings: Settings, user_id: int, scope: str, life_s: int) -> str:
    """A token of ``user_id``. Raises SettingsError without an HS256 secret: with other keys your own issuer mints."""
    secret = settings.jwt_secret.get_secret_value()
    if not secret:
        raise SettingsError("NOVA_JWT_SECRET is not set: start `nova up`, or mint tokens with your own issuer")
    return mint(
        secret, user_id, issuer=settings.jwt_issuer, audience=settings.jwt_audience,
        now_ms=SystemClock().now_ms(), life_s=life_s, scope=scope,
    )  # fmt: skip
