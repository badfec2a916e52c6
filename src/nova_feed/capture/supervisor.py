"""Keeps the connector RUNNING: registers it when it is not there, restarts what FAILED, and says so."""

from __future__ import annotations

import asyncio

import structlog

from nova_feed.capture.connect_api import ConnectApi
from nova_feed.errors import NovaError

log = structlog.get_logger(__name__)


async def supervise(api: ConnectApi, config: dict[str, str], every_s: float = 2.0) -> None:
    """Run until cancelled. A Connect cluster that is away is waited for; every restart is one line in the log."""
    while True:
        try:
            await check(api, config)
        except NovaError as error:
            log.warning("cdc.unreachable", error=str(error))
        await asyncio.sleep(every_s)


async def check(api: ConnectApi, config: dict[str, str]) -> str:
    """One round. Returns what it did: ``registered``, ``restarted`` or ``running``."""
    status = await api.status()
    if status is None:
        await api.apply(config)
        log.info("cdc.registered")
        return "registered"
    if "FAILED" in (status.connector, *status.tasks):
        log.error("cdc.restarting", connector=status.connector, tasks=status.tasks, trace=status.trace)
        await api.restart_failed()
        return "restarted"
    return "running"
