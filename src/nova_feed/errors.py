"""The failures that have names. One sentence each, fit to be shown to the person who can mend it."""


class NovaError(Exception):
    """Root of every failure this product raises on purpose; its text is one clear sentence for a person."""


class SettingsError(NovaError):
    """A setting is unknown, malformed or missing."""


class StoreUnavailableError(NovaError):
    """A store did not answer in time, refused the connection, or its breaker is open. ``store`` names it.

    ``kind`` is the reason's class, for metrics: ``away``, ``timeout`` or ``breaker_open``. ``answers``: it did answer,
    but would not do what was asked, as a store that is full or busy.
    """

    def __init__(self, store: str, reason: str, kind: str = "away", *, answers: bool = False) -> None:
        super().__init__(f"{store} is unavailable: {reason}")
        self.store, self.reason, self.kind, self.answers = store, reason, kind, answers


class CursorError(NovaError):
    """A cursor is not one of ours, not this viewer's, or was altered."""


class CursorExpiredError(NovaError):
    """The list a cursor reads from has expired: start again without a cursor."""


class UnauthorizedError(NovaError):
    """The request carries no valid token. Says which claim is wrong to the log alone."""


class ForbiddenError(NovaError):
    """The token is valid, but not for this."""


class InvalidInputError(NovaError):
    """One or more fields of a request are wrong; ``errors`` names each with what would be right."""

    def __init__(self, detail: str, errors: list[dict[str, object]] | None = None) -> None:
        super().__init__(detail)
        self.errors = errors or []
