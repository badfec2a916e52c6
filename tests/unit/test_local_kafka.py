"""The broker's identity, as its own tool reads it."""

from __future__ import annotations

import base64
import re

from nova_feed.local.kafka import cluster_id


def test_a_cluster_id_is_16_bytes_and_never_looks_like_an_option() -> None:
    for made in {cluster_id() for _ in range(2_000)}:
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", made)
        assert len(base64.urlsafe_b64decode(made + "==")) == 16
