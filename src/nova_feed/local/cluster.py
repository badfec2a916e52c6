"""How many Kafka brokers a home has: chosen when the home is made, and kept from then on.

Topics are made with as many copies as there are brokers, and the controllers' quorum is laid down when their disks are
formatted, so a home of one broker cannot become one of three, nor the other way.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nova_feed.errors import NovaError
from nova_feed.local.ports import LOOPBACK, PortBook
from nova_feed.local.whole import write_whole

SIZES = (1, 3)


class BrokersError(NovaError):
    """The number of brokers that was asked for cannot be had here."""


@dataclass(frozen=True, slots=True)
class Node:
    """One of the brokers, which is a controller as well. ``name`` is its process', its folder's and its log's."""

    number: int
    name: str
    port: int
    controller_port: int

    @property
    def url(self) -> str:
        return f"{LOOPBACK}:{self.port}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """All of them."""

    id: str
    nodes: tuple[Node, ...]

    @property
    def copies(self) -> int:
        """Of every partition."""
        return len(self.nodes)


def brokers_of(home: Path, asked: int | None, environ: Mapping[str, str]) -> int:
    """As many as ``home`` was made with; in a new home as many as were asked for, or one. Changes nothing.

    Raises BrokersError when another number was asked for, or any beside a KAFKA_BROKERS of somebody else's.
    """
    if asked is not None and environ.get("KAFKA_BROKERS"):
        raise BrokersError("--brokers is for the Kafka of the local stack, and KAFKA_BROKERS names another: unset one")
    kept = _kept(home)
    if kept is None:
        return asked or 1
    brokers, _ = kept
    if asked not in {None, brokers}:
        raise BrokersError(
            f"{home} was made with {_count(brokers)} and keeps that number: start it without --brokers,"
            f" choose another --home for {_count(asked)}, or `nova reset` it, which removes its data"
        )
    return brokers


def make(home: Path, brokers: int, ports: PortBook) -> Cluster:
    """The cluster of ``home``, remembered before a disk is formatted, so that a first start may be cut off."""
    kept = _kept(home)
    _, id_ = kept or (brokers, cluster_id())
    write_whole(_file(home), json.dumps({"brokers": brokers, "cluster_id": id_}))
    names = ["kafka", *(f"kafka-{number}" for number in range(2, brokers + 1))]
    nodes = (
        Node(number, name, ports.claim(name), ports.claim(f"{name} controller")) for number, name in enumerate(names, 1)
    )
    return Cluster(id_, tuple(nodes))


def cluster_id() -> str:
    """A random id, 16 bytes as base64url; none that starts with a dash, which the tool takes for an option."""
    while (made := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        continue
    return made


def _kept(home: Path) -> tuple[int, str] | None:
    """Number and id; None in a home that has no Kafka yet."""
    path = _file(home)
    if not path.exists():
        # Homes were made with one broker before this file was; its disk is formatted, with an id of its own.
        return (1, cluster_id()) if (home / "kafka").exists() else None
    try:
        found = json.loads(path.read_text())
        brokers, id_ = int(found["brokers"]), str(found["cluster_id"])
    except (ValueError, KeyError, TypeError):
        raise NovaError(f"{path} is spoilt: `nova reset` makes a new home") from None
    return brokers, id_


def _file(home: Path) -> Path:
    return home / "kafka.json"


def _count(brokers: int | None) -> str:
    return "1 Kafka broker" if brokers == 1 else f"{brokers} Kafka brokers"
