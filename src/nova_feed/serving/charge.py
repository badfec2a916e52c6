"""Which limit a request is charged to, and whom: the token's subject, or the address when there is no valid token."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_network

from starlette.requests import Request

from nova_feed.clock import Clock
from nova_feed.errors import RateLimitedError
from nova_feed.serving.auth import Principal
from nova_feed.serving.gcra import Quota, Verdict
from nova_feed.serving.headers import RawHeaders
from nova_feed.serving.limiter import Limiter, Spend
from nova_feed.serving.observe import tell
from nova_feed.settings import Settings


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one process."""

    reads: Limiter
    events: Limiter
    service_reads: Limiter
    service_events: Limiter
    anonymous: Limiter

    def reads_of(self, principal: Principal) -> Limiter:
        """One unit a read."""
        return self.service_reads if principal.is_service else self.reads

    def events_of(self, principal: Principal) -> Limiter:
        """One unit an event."""
        return self.service_events if principal.is_service else self.events


def limits(settings: Settings, spend: Spend, clock: Clock) -> Limits:
    """The limits as they are set; the names are those of the RateLimit fields and of the keys in Valkey."""
    return Limits(
        Limiter("reads", Quota(settings.limit_reads), spend, clock),
        Limiter("events", Quota(settings.limit_events), spend, clock),
        Limiter("service-reads", Quota(settings.limit_service_reads), spend, clock),
        Limiter("service-events", Quota(settings.limit_service_events), spend, clock),
        Limiter("anonymous", Quota(settings.limit_anonymous), spend, clock),
    )


async def charge(request: Request, limit: Limiter, caller: str, units: int = 1) -> None:
    """Spend ``units`` of the caller's limit; the answer says what is left. Raises RateLimitedError, with none spent."""
    verdict = await limit.take(caller, units)
    quota = verdict.quota
    request.scope["rate_limit"] = fields(limit.name, verdict)
    if not verdict.allowed:
        tell(request.scope, limited=limit.name, caller=caller)
        wait_s = max(1, math.ceil(verdict.wait_s))
        raise RateLimitedError(
            f"{units} more would be too many: the limit {limit.name!r} is {quota.units} in {quota.window_s:.0f} s; "
            f"try again in {wait_s} s",
            wait_s,
        )


def fields(name: str, verdict: Verdict) -> RawHeaders:
    """What an answer says of a limit: draft-ietf-httpapi-ratelimit-headers-10."""
    quota_is, says = _of_limit(name, verdict.quota)
    return [quota_is, (b"ratelimit", says % (verdict.remaining, math.ceil(verdict.full_in_s)))]


@lru_cache(maxsize=16)
def _of_limit(name: str, quota: Quota) -> tuple[tuple[bytes, bytes], bytes]:
    """The field that is always the same, and the form of the other one's value."""
    policy = b'"%b";q=%d;w=%d' % (name.encode(), quota.units, quota.window_s)
    return (b"ratelimit-policy", policy), b'"%b";r=%%d;t=%%d' % name.encode()


def address_of(request: Request) -> str:
    """The address that the connection comes from; of IPv6 the /64, which one household or machine has to itself."""
    host = request.client.host if request.client else ""
    if ":" not in host:
        return host
    try:
        address = IPv6Address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    return str(address.ipv4_mapped or ip_network((address, 64), strict=False).network_address)
