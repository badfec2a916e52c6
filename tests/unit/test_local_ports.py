"""The book of ports: the same ports from start to start. Listens on loopback, because that is what it is about."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nova_feed.errors import NovaError
from nova_feed.local.ports import LOOPBACK, PortBook, PortInUseError, free_port, is_free

pytestmark = pytest.mark.usefixtures("socket_enabled")


@contextmanager
def somebody_listens() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_a_port_somebody_listens_on_is_not_free() -> None:
    with somebody_listens() as port:
        assert not is_free(port)
    assert is_free(port)


def test_a_free_port_is_free() -> None:
    assert is_free(free_port())


def test_the_preferred_port_is_taken_when_it_is_free(tmp_path: Path) -> None:
    port = free_port()
    assert PortBook(tmp_path / "ports.json").claim("api", preferred=port) == port


def test_another_port_is_taken_when_somebody_listens_on_the_preferred_one(tmp_path: Path) -> None:
    with somebody_listens() as port:
        assert PortBook(tmp_path / "ports.json").claim("api", preferred=port) != port


def test_a_port_is_remembered_over_what_is_preferred(tmp_path: Path) -> None:
    first = PortBook(tmp_path / "a" / "ports.json").claim("api")
    assert PortBook(tmp_path / "a" / "ports.json").claim("api", preferred=free_port()) == first


def test_a_remembered_port_that_somebody_took_is_replaced(tmp_path: Path) -> None:
    book = PortBook(tmp_path / "ports.json")
    with somebody_listens() as port:
        (tmp_path / "ports.json").write_text(f'{{"api": {port}}}')
        replaced = PortBook(tmp_path / "ports.json").claim("api")
        assert replaced != port
    assert PortBook(tmp_path / "ports.json").claim("api") == replaced
    assert book.claim("other") != replaced


def test_two_names_never_share_a_port(tmp_path: Path) -> None:
    book, port = PortBook(tmp_path / "ports.json"), free_port()
    assert book.claim("api", preferred=port) == port
    assert book.claim("admin", preferred=port) != port


def test_a_port_asked_for_by_number_is_that_one_or_none(tmp_path: Path) -> None:
    book, port = PortBook(tmp_path / "ports.json"), free_port()
    assert book.claim("api", preferred=port, exact=True) == port
    with somebody_listens() as taken, pytest.raises(PortInUseError, match=f"port {taken} for api is in use"):
        book.claim("api", preferred=taken, exact=True)


def test_a_spoilt_book_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("{")
    with pytest.raises(NovaError, match=r"ports\.json is spoilt: remove it"):
        PortBook(tmp_path / "ports.json")
