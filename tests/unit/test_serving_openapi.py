"""The OpenAPI document says what the application does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nova_feed import __version__
from nova_feed.serving.app import ROUTES
from nova_feed.serving.openapi import document

METHODS = {"get", "put", "post", "delete", "patch"}


def references(node: Any) -> Iterator[str]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and isinstance(node.get("$ref"), str):
        yield node["$ref"]
    for child in children:
        yield from references(child)


def operations() -> Iterator[dict[str, Any]]:
    for path in document()["paths"].values():
        yield from (operation for method, operation in path.items() if method in METHODS)


def test_every_route_is_in_it_and_it_has_no_other() -> None:
    served = {(route.path, method.lower()) for route in ROUTES for method in route.methods or () if method != "HEAD"}
    assert {(path, method) for path, item in document()["paths"].items() for method in item} == served


def test_every_reference_leads_somewhere() -> None:
    found = document()
    for reference in references(found):
        node = found
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert node


def test_every_schema_is_used() -> None:
    names = {f"#/components/schemas/{name}" for name in document()["components"]["schemas"]}
    assert names == set(references(document()))


def test_every_operation_has_its_own_name_which_is_its_endpoints() -> None:
    names = [operation["operationId"] for operation in operations()]
    assert sorted(names) == sorted(route.endpoint.__name__ for route in ROUTES)
    assert len(set(names)) == len(names)


def test_an_operation_that_needs_a_token_says_so() -> None:
    open_to_all = {operation["operationId"] for operation in operations() if operation.get("security") == []}
    needs_token = {operation["operationId"] for operation in operations() if "401" in operation["responses"]}
    assert open_to_all.isdisjoint(needs_token)
    assert open_to_all | needs_token == {operation["operationId"] for operation in operations()}


def test_every_refusal_is_a_problem() -> None:
    for operation in operations():
        for status, answer in operation["responses"].items():
            if status.startswith("4"):
                assert set(answer["content"]) == {"application/problem+json"}


def test_its_version_is_the_products() -> None:
    assert document()["info"]["version"] == __version__
