"""The local stack's keys: made once, kept in a file that only its owner reads."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from nova_feed.errors import NovaError
from nova_feed.local.whole import write_whole


class Secrets:
    """The key of tokens and the key of cursors. Raises NovaError when the file is not what was written."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            made = {"jwt": secrets.token_urlsafe(48), "cursor": secrets.token_urlsafe(48)}
            write_whole(path, json.dumps(made), mode=0o600)
        try:
            kept = json.loads(path.read_text())
            self.jwt: str = kept["jwt"]
            self.cursor: str = kept["cursor"]
        except (ValueError, KeyError, TypeError):
            raise NovaError(f"{path} is spoilt: remove it, and the next start makes new keys") from None

    def environment(self) -> dict[str, str]:
        """As settings."""
        return {"NOVA_JWT_SECRET": self.jwt, "NOVA_CURSOR_SECRET": self.cursor}
