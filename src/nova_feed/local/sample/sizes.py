"""How large a sample network is: every count is a promise, kept exactly."""

from __future__ import annotations

from dataclasses import dataclass

from nova_feed.errors import NovaError


class UnknownSizeError(NovaError):
    """A size was asked for that does not exist."""


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """Counts of one sample network. ``cast_follows`` is how many people each of the cast (users 1 to 5) follows.

    ``evenness`` shapes the posts' ages: 0 crowds them at the present, large values spread them evenly over 90 days.
    Raises ValueError when the counts cannot be met (more pairs than there are people to pair).
    """

    name: str
    users: int
    follows_per_user: int
    posts: int
    likes: int
    comments: int
    blocks: int
    mutes: int
    cast_follows: int
    evenness: float

    def __post_init__(self) -> None:
        if self.users < 100:
            raise ValueError("a sample network has at least 100 users")
        if max(self.follows_per_user * 4, self.cast_follows * 2, self.blocks / 2) > self.users:
            raise ValueError("too many follows or blocks for so few users")
        if self.mutes > self.follows or self.likes * 10 > self.posts * self.users:
            raise ValueError("too many mutes or likes for so few follows or posts")

    @property
    def follows(self) -> int:
        """Edges of the whole network."""
        return self.users * self.follows_per_user

    @property
    def rows(self) -> int:
        """Rows of all tables together."""
        return self.users + self.follows + self.posts + self.likes + self.comments + self.blocks + self.mutes


SMALL = NetworkSize("small", 1_000, 20, 20_000, 100_000, 20_000, 150, 200, 60, 0.08)
MEDIUM = NetworkSize("medium", 10_000, 100, 1_000_000, 1_500_000, 250_000, 1_500, 2_000, 150, 0.5)
LARGE = NetworkSize("large", 100_000, 60, 3_000_000, 6_000_000, 1_000_000, 15_000, 20_000, 150, 0.5)
SIZES = {size.name: size for size in (SMALL, MEDIUM, LARGE)}


def size_named(name: str) -> NetworkSize:
    """The size called ``name``. Raises UnknownSizeError, which names those that exist."""
    if name not in SIZES:
        raise UnknownSizeError(f"there is no sample network called {name!r}: choose one of {', '.join(SIZES)}")
    return SIZES[name]
