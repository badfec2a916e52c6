"""What an operator and a load balancer ask."""

from __future__ import annotations

import httpx
import pytest

from nova_feed.serving.app import ROUTES
from tests.reader import Json

pytestmark = pytest.mark.e2e


async def test_health_names_every_part_as_up_with_its_version_and_latency(api: httpx.AsyncClient) -> None:
    answer = await api.get("/health")
    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "ok")
    assert set(body["parts"]) == {"postgres", "clickhouse", "kafka", "valkey"}
    assert all(part["status"] == "up" and part["detail"] and part["latency_ms"] > 0 for part in body["parts"].values())


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_a_process_that_works_is_live_and_ready(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(path)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


async def test_metrics_of_ours_are_served_in_prometheus_format(api: httpx.AsyncClient) -> None:
    answer = await api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE nova_feed_" in answer.text


async def test_openapi_lists_exactly_the_routes_there_are(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1.")
    assert set(document["info"]) >= {"title", "version"}
    listed = {(path, method.upper()) for path, operations in document["paths"].items() for method in operations}
    assert listed == {(route.path, method) for route in ROUTES for method in route.methods or () if method != "HEAD"}


async def test_every_reference_in_openapi_leads_somewhere(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(_references(document)) <= schemas


async def test_the_caller_s_request_id_is_used_and_sent_back(api: httpx.AsyncClient) -> None:
    answer = await api.get("/nowhere", headers={"X-Request-Id": "ticket-7"})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "ticket-7"


def _references(node: Json | list[object] | object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in _references(value)]
    return [found for value in node for found in _references(value)] if isinstance(node, list) else []
