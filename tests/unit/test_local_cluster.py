"""A home keeps the number of brokers it was made with."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from nova_feed.errors import NovaError
from nova_feed.local.cluster import BrokersError, brokers_of, cluster_id, make
from nova_feed.local.ports import PortBook


@pytest.fixture
def ports(tmp_path: Path) -> PortBook:
    return PortBook(tmp_path / "ports.json")


pytestmark = pytest.mark.usefixtures("socket_enabled")  # ports are found free by listening on them


@pytest.mark.parametrize(("asked", "brokers"), [(None, 1), (1, 1), (3, 3)])
def test_a_new_home_has_as_many_as_were_asked_for_or_one_and_asking_makes_nothing(
    tmp_path: Path, asked: int | None, brokers: int
) -> None:
    home = tmp_path / "home"
    assert brokers_of(home, asked, {}) == brokers
    assert not home.exists()


@pytest.mark.parametrize("made", [1, 3])
def test_a_home_keeps_its_number_its_id_and_its_ports(tmp_path: Path, ports: PortBook, made: int) -> None:
    first = make(tmp_path, made, ports)
    assert [brokers_of(tmp_path, asked, {}) for asked in (None, made)] == [made, made]
    assert make(tmp_path, made, PortBook(tmp_path / "ports.json")) == first
    assert [node.name for node in first.nodes] == ["kafka", "kafka-2", "kafka-3"][:made]
    assert len({port for node in first.nodes for port in (node.port, node.controller_port)}) == 2 * made


@pytest.mark.parametrize(
    ("made", "asked", "kept", "wanted"),
    [(1, 3, "1 Kafka broker", "3 Kafka brokers"), (3, 1, "3 Kafka brokers", "1 Kafka broker")],
)
def test_another_number_is_refused_with_what_to_do(
    tmp_path: Path, ports: PortBook, made: int, asked: int, kept: str, wanted: str
) -> None:
    make(tmp_path, made, ports)
    before = {path: path.read_text() for path in tmp_path.iterdir()}
    with pytest.raises(BrokersError, match=f"made with {kept} and .* --home for {wanted}, or `nova reset`"):
        brokers_of(tmp_path, asked, {})
    assert {path: path.read_text() for path in tmp_path.iterdir()} == before


def test_a_home_from_before_there_was_a_choice_has_one(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    assert brokers_of(tmp_path, None, {}) == 1
    with pytest.raises(BrokersError):
        brokers_of(tmp_path, 3, {})


@pytest.mark.parametrize("asked", [1, 3])
def test_somebody_elses_kafka_has_as_many_as_it_has(tmp_path: Path, asked: int) -> None:
    theirs = {"KAFKA_BROKERS": "kafka:9092"}
    assert brokers_of(tmp_path, None, theirs) == 1
    with pytest.raises(BrokersError, match="KAFKA_BROKERS names another"):
        brokers_of(tmp_path, asked, theirs)


@pytest.mark.parametrize("spoilt", ["", "[]", "{}", '{"brokers": 3}', '{"brokers": "many", "cluster_id": "a"}'])
def test_a_file_that_is_not_what_was_written_is_named(tmp_path: Path, spoilt: str) -> None:
    (tmp_path / "kafka.json").write_text(spoilt)
    with pytest.raises(NovaError, match=r"kafka\.json is spoilt"):
        brokers_of(tmp_path, None, {})


def test_a_cluster_id_is_16_bytes_and_never_looks_like_an_option() -> None:
    for made in {cluster_id() for _ in range(2_000)}:
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", made)
        assert len(base64.urlsafe_b64decode(made + "==")) == 16
