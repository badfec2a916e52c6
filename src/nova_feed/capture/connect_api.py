"""Kafka Connect's REST interface, as much of it as we use."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from nova_feed.capture.connector import NAME
from nova_feed.errors import NovaError, StoreUnavailableError


class ConnectorError(NovaError):
    """Connect refused the connector's configuration."""


@dataclass(frozen=True, slots=True)
class ConnectorStatus:
    """States as Connect names them: RUNNING, FAILED, PAUSED, UNASSIGNED; ``trace`` is the first line of a failure."""

    connector: str
    tasks: tuple[str, ...]
    trace: str = ""

    @property
    def running(self) -> bool:
        return self.connector == "RUNNING" and bool(self.tasks) and all(task == "RUNNING" for task in self.tasks)


class ConnectApi:
    """One Connect cluster. Every call raises StoreUnavailableError when it does not answer."""

    def __init__(self, url: str, timeout_s: float = 10) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def apply(self, config: dict[str, str]) -> None:
        """Create the connector, or change its configuration. Raises ConnectorError when Connect refuses it."""
        answer = await self._call("PUT", f"/connectors/{NAME}/config", json=config)
        if answer.status_code not in {200, 201}:
            raise ConnectorError(f"Kafka Connect refused the connector: {_message(answer)}")

    async def status(self) -> ConnectorStatus | None:
        """The state of the connector and its tasks, None when it is not registered."""
        answer = await self._call("GET", f"/connectors/{NAME}/status")
        if answer.status_code == 404:
            return None
        body = answer.raise_for_status().json()
        parts = [body["connector"], *body["tasks"]]
        trace = next((part["trace"].splitlines()[0] for part in parts if part.get("trace")), "")
        return ConnectorStatus(body["connector"]["state"], tuple(task["state"] for task in body["tasks"]), trace)

    async def restart_failed(self) -> None:
        """Restart what is FAILED of the connector and its tasks."""
        await self._call("POST", f"/connectors/{NAME}/restart", params={"includeTasks": "true", "onlyFailed": "true"})

    async def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return await self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise StoreUnavailableError("connect", str(error) or type(error).__name__) from error


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("message", answer.text))
    except ValueError:
        return answer.text
