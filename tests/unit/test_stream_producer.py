"""A batch of records is answered for once, as a whole."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from confluent_kafka import KafkaError
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.stream.producer import _Batch
from tests.unit.test_ranking_candidates import law

FAILED = KafkaError(KafkaError._MSG_TIMED_OUT)
MESSAGE: Any = None  # a batch counts acknowledgements and does not look at the records


@law
@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_the_answer_comes_with_the_last_record_and_is_good_if_all_are(acknowledged: list[bool]) -> None:
    answers: list[bool] = []
    batch = _Batch(len(acknowledged), answers.append, "test")
    for good in acknowledged:
        assert answers == []
        batch.delivered(None if good else FAILED, MESSAGE)
    assert answers == [all(acknowledged)]


@pytest.mark.parametrize("queued", [0, 1, 5])
def test_records_that_found_no_place_make_the_batch_a_failure_once_the_others_are_answered(queued: int) -> None:
    answers: list[bool] = []
    batch = _Batch(6, answers.append, "test")
    batch.refuse(6 - queued)
    for _ in range(queued):
        assert answers == []
        batch.delivered(None, MESSAGE)
    assert answers == [False]


def test_acknowledgements_from_many_threads_are_all_counted() -> None:
    answers: list[bool] = []
    batch = _Batch(8 * 500, answers.append, "test")

    def acknowledge() -> None:
        for _ in range(500):
            batch.delivered(None, MESSAGE)

    threads = [threading.Thread(target=acknowledge) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True]
