"""Keeps the connector RUNNING: registers it when it is not there, restarts what FAILED, and says so."""

from __future__ import annotations

import asyncio
from collections import Counter

import structlog

from nova_feed.capture.connect_api import ConnectApi, ConnectorStatus
from nova_feed.capture.connector import NAME
from nova_feed.errors import NovaError
from nova_feed.ops import metrics

log = structlog.get_logger(__name__)
_STATES = ("running", "failed", "paused")


async def supervise(api: ConnectApi, config: dict[str, str], every_s: float = 2.0) -> None:
    """Run until cancelled. A Connect cluster that is away is waited for; every restart is one line in the log."""
    while True:
        try:
            await check(api, config)
        except NovaError as error:
            metrics.CONNECTOR_RUNNING.labels(NAME).set(0)
            log.warning("cdc.unreachable", error=str(error))
        await asyncio.sleep(every_s)


async def check(api: ConnectApi, config: dict[str, str]) -> str:
    """One round. Returns what it did: ``registered``, ``restarted`` or ``running``."""
    status = await api.status()
    _tell(status)
    if status is None:
        await api.apply(config)
        log.info("cdc.registered")
        return "registered"
    if "FAILED" in (status.connector, *status.tasks):
        log.error("cdc.restarting", connector=status.connector, tasks=status.tasks, trace=status.trace)
        await api.restart_failed()
        metrics.CONNECTOR_RESTARTS.inc()
        return "restarted"
    return "running"


def _tell(status: ConnectorStatus | None) -> None:
    found = [] if status is None else [state.lower() for state in (status.connector, *status.tasks)]
    states = Counter(state if state in _STATES else "other" for state in found)
    for state in (*_STATES, "other"):
        metrics.CONNECTOR_TASKS.labels(state).set(states[state])
    metrics.CONNECTOR_RUNNING.labels(NAME).set(status is not None and status.running)
