import asyncio

from nova_feed.local.sample.crowd import BATCH, Crowd
from nova_feed.local.sample.draw import Stream
from nova_feed.local.sample.lane import Lane
from nova_feed.local.sample.pace import Rates
from nova_feed.local.sample.planner import ClientEvent, Deed, Planner
from nova_feed.local.sample.population import Person, Population
from nova_feed.local.sample.tally import Statistics
from nova_feed.local.sample.text import Writer, read_vocabulary

NOW_MS = 1_800_000_000_000


class Crowded:
    """A crowd with lanes that note what they were given."""

    def __init__(self, rates: Rates, waiting: int) -> None:
        self.deeds: list[Deed] = []
        self.batches: list[list[ClientEvent]] = []
        self.statistics = Statistics()
        self.deed_lane: Lane[Deed] = Lane(self._deed, 1, waiting)
        self.batch_lane: Lane[list[ClientEvent]] = Lane(self._batch, 1, waiting)
        population = Population(
            [Person(user, "") for user in range(1, 30)], [(post, 1 + post % 29) for post in range(1, 99)]
        )
        planner = Planner(population, Stream(1), Writer(read_vocabulary()))
        self.crowd = Crowd(planner, rates, self.deed_lane, self.batch_lane, self.statistics, 0.0)

    async def drain(self) -> None:
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(lane.work()) for lane in (self.deed_lane, self.batch_lane)]
            await self.deed_lane.drained()
            await self.batch_lane.drained()
            for worker in workers:
                worker.cancel()

    async def _deed(self, deed: Deed) -> None:
        self.deeds.append(deed)

    async def _batch(self, batch: list[ClientEvent]) -> None:
        self.batches.append(batch)


async def test_what_is_due_reaches_the_lanes_in_batches_of_at_most_100() -> None:
    crowded = Crowded(Rates(5, 50, 5, 10, 450), waiting=1000)
    crowded.crowd.step(1.0, NOW_MS)
    await crowded.drain()
    assert 65 <= len(crowded.deeds) <= 70
    assert [len(batch) for batch in crowded.batches] == [100, 100, 100, 100, 50]
    assert not crowded.statistics.skipped


async def test_a_batch_waits_a_moment_to_fill_but_not_longer() -> None:
    crowded = Crowded(Rates(0, 0, 0, 0, 100), waiting=10)
    crowded.crowd.step(0.2, NOW_MS)
    assert crowded.batch_lane.free == 10
    crowded.crowd.step(0.5, NOW_MS)
    await crowded.drain()
    assert [len(batch) for batch in crowded.batches] == [50]


async def test_at_the_end_no_event_is_left_behind() -> None:
    crowded = Crowded(Rates(0, 0, 0, 0, 100), waiting=10)
    crowded.crowd.step(0.2, NOW_MS)
    crowded.crowd.finish(0.2)
    await crowded.drain()
    assert sum(map(len, crowded.batches)) == 20


async def test_what_falls_due_while_the_lanes_are_full_is_counted_and_never_done() -> None:
    crowded = Crowded(Rates(0, 50, 0, 0, 900), waiting=3)
    for second in range(1, 6):
        crowded.crowd.step(float(second), NOW_MS)
    await crowded.drain()
    assert len(crowded.deeds) == 3
    assert [len(batch) for batch in crowded.batches] == [BATCH] * 3
    assert crowded.statistics.skipped["likes"] == 5 * 50 - 3
    assert crowded.statistics.skipped["events"] == 5 * 900 - 3 * BATCH


async def test_a_lane_carries_out_no_more_at_once_than_it_has_workers() -> None:
    under_way = most = 0
    gate = asyncio.Event()

    async def carry_out(number: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 3:
            gate.set()
        await gate.wait()
        under_way -= 1

    lane: Lane[int] = Lane(carry_out, 3, 20)
    for number in range(20):
        lane.put(number)
    async with asyncio.TaskGroup() as group:
        work = group.create_task(lane.work())
        await lane.drained()
        work.cancel()
    assert most == 3
