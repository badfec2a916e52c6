"""What holds now in this process."""

from __future__ import annotations

import structlog

from nova_feed.errors import InvalidInputError
from nova_feed.ops import metrics
from nova_feed.runtime.values import Runtime, load

log = structlog.get_logger(__name__)


class Live:
    """``now`` is read once where a piece of work begins, and replaced whole: nobody sees half of a change.

    ``refused`` says why the newest version is not the one that holds; empty: it is.
    """

    def __init__(self, defaults: Runtime) -> None:
        self.defaults = self.now = defaults
        self.refused = ""
        self._bad: int | None = None
        metrics.RUNTIME_VERSION.set(self.now.version)

    def offer(self, version: int, document: str) -> bool:
        """Let a version (JSON) hold from now on; one that is not valid is refused. Returns whether it holds."""
        if version == self._bad:
            return False
        try:
            value = load(document, defaults=self.defaults, version=version)
        except InvalidInputError as error:
            self._bad, self.refused = version, str(error)
            metrics.RUNTIME_REFUSED.labels("table").inc()
            log.error("runtime.refused", version=version, kept=self.now.version, reason=str(error))
            return False
        self._hold(value)
        return True

    def reset(self) -> None:
        """There is no version: what the settings say holds."""
        self._hold(self.defaults)

    def _hold(self, value: Runtime) -> None:
        if value.version != self.now.version:
            log.info("runtime.changed", version=value.version, before=self.now.version)
        self.now, self.refused, self._bad = value, "", None
        metrics.RUNTIME_VERSION.set(value.version)
