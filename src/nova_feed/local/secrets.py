"""The local stack's keys: made once, kept in a file that only its owner reads."""

from __future__ import annotations

import json
import secrets
from pathlib import Path


class Secrets:
    """The key of tokens and the key of cursors."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(json.dumps({"jwt": secrets.token_urlsafe(48), "cursor": secrets.token_urlsafe(48)}))
        kept = json.loads(path.read_text())
        self.jwt: str = kept["jwt"]
        self.cursor: str = kept["cursor"]

    def environment(self) -> dict[str, str]:
        """As settings."""
        return {"NOVA_JWT_SECRET": self.jwt, "NOVA_CURSOR_SECRET": self.cursor}
