"""The admin listener's own document says what it does."""

from __future__ import annotations

from typing import Any

from nova_feed.runtime import CONFIG, FLAGS
from nova_feed.serving.admin_openapi import ADMIN_OPENAPI, admin_document
from nova_feed.serving.admin_routes import ADMIN_ROUTES
from nova_feed.serving.app import ROUTES
from nova_feed.serving.debug_routes import DEBUG_ROUTES
from nova_feed.serving.sample_routes import SAMPLE_ROUTES
from tests.unit.test_serving_openapi import references

BESIDES = (*ADMIN_ROUTES, *DEBUG_ROUTES, *SAMPLE_ROUTES, ADMIN_OPENAPI)


def operations() -> list[dict[str, Any]]:
    return [operation for path in admin_document()["paths"].values() for operation in path.values()]


def test_every_route_is_in_it_and_it_has_no_other() -> None:
    served = {(route.path, method.lower()) for route in BESIDES for method in route.methods or () if method != "HEAD"}
    assert {(path, method) for path, item in admin_document()["paths"].items() for method in item} == served


def test_none_of_its_routes_is_on_the_public_listener() -> None:
    assert not {route.path for route in BESIDES} & {route.path for route in ROUTES}


def test_every_operation_needs_a_token_and_the_scope() -> None:
    assert admin_document()["security"] == [{"bearer": []}]
    for operation in operations():
        assert "security" not in operation
        assert {"401", "403"} <= set(operation["responses"])


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    names = {f"#/components/schemas/{name}" for name in admin_document()["components"]["schemas"]}
    assert names == set(references(admin_document()))


def test_every_operation_has_its_own_name() -> None:
    names = [operation["operationId"] for operation in operations()]
    assert len(set(names)) == len(names)


def test_every_flag_and_every_number_is_in_the_bodies_with_its_bounds() -> None:
    paths = admin_document()["paths"]
    flags = paths["/admin/flags"]["patch"]["requestBody"]["content"]["application/json"]["schema"]
    config = paths["/admin/config"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    assert list(flags["properties"]) == list(FLAGS)
    assert list(config["properties"]) == config["required"] == list(CONFIG)
    assert config["properties"]["feed_ttl_s"]["maximum"] == CONFIG["feed_ttl_s"].most
