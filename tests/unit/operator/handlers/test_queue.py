"""The queue: one waiting place per key, one worker per key, delays, backoff."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampler_rollouts.domain.decision.decide import LOOK_SECONDS
from sampler_rollouts.handlers.queue import BASE_DELAY, MAX_DELAY, WorkQueue

from tests.support.examples import examples


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue[str]:
    return WorkQueue(clock, jitter=lambda: 1.0)


async def nothing_comes(queue: WorkQueue[str]) -> bool:
    try:
        await asyncio.wait_for(queue.get(), 0.01)
    except TimeoutError:
        return True
    return False


async def test_a_key_waits_once(queue: WorkQueue[str]) -> None:
    for _ in range(5):
        queue.add("a")
    queue.add("b")

    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert await nothing_comes(queue)


async def test_a_key_in_work_is_not_given_out_but_comes_again(queue: WorkQueue[str]) -> None:
    queue.add("a")
    key = await queue.get()
    queue.add("a")

    assert await nothing_comes(queue)
    queue.done(key)
    assert await queue.get() == "a"


async def test_a_key_comes_back_after_its_delay_and_not_before(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a")
    queue.done(await queue.get(), 15.0)
    clock.now += 14.9

    assert await nothing_comes(queue)
    clock.now += 0.2
    assert await queue.get() == "a"


async def test_who_comes_back_after_long_does_so_at_moments_of_its_own(queue: WorkQueue[str], clock: Clock) -> None:
    """All that an operator finds when it starts comes at once, and would so every minute."""
    began, came = clock.now, dict[str, list[float]]()
    for number in range(200):
        queue.add_later(f"model-{number}", 60.0)
    while clock.now < began + 300:
        clock.now += 0.1
        while queue.next_due() == 0.0 or (queue.next_due() or 1.0) <= 0:
            key = await queue.get()
            came.setdefault(key, []).append(clock.now - began)
            queue.done(key, 60.0)
    first = sorted(times[0] for times in came.values())
    assert 30 < first[0] <= first[-1] <= 60.1
    assert max(later - sooner for sooner, later in itertools.pairwise(first)) < 2, "spread"
    gaps = {round(later - sooner, 0) for times in came.values() for sooner, later in itertools.pairwise(times)}
    assert gaps == {60}, "each at its own pace"


async def test_the_sooner_of_two_delays_counts_once(queue: WorkQueue[str], clock: Clock) -> None:
    for delay in (50.0, 10.0, 30.0):
        queue.add_later("a", delay)
    clock.now += 10

    assert await queue.get() == "a"
    queue.done("a")
    clock.now += 100
    assert await nothing_comes(queue)


async def test_an_event_overtakes_a_delay(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add_later("a", 10.0)
    queue.add("a")

    assert await queue.get() == "a"
    queue.done("a", 15.0)
    clock.now += 12
    assert await nothing_comes(queue)


async def test_who_is_to_come_within_a_while_comes_by_chance_and_a_new_key_at_once(clock: Clock) -> None:
    queue: WorkQueue[str] = WorkQueue(clock, jitter=lambda: 0.5)
    queue.add_later("late", 600)
    queue.add_later("soon", 10)
    for key in ("late", "soon", "new"):
        queue.within(key, 60)
    assert await queue.get() == "new"
    queue.within("new", 60)  # in work: it says itself when it comes back
    assert queue.next_due() == 10
    clock.now += 10
    assert await queue.get() == "soon"
    assert queue.next_due() == 20


async def test_a_waiter_wakes_when_a_delay_is_over() -> None:
    queue: WorkQueue[str] = WorkQueue(asyncio.get_running_loop().time)
    queue.add_later("a", 0.05)

    assert await asyncio.wait_for(queue.get(), 1.0) == "a"


@pytest.mark.parametrize("steps", range(6))
async def test_a_waiter_that_is_ended_as_a_key_comes_ends(steps: int) -> None:
    queue: WorkQueue[str] = WorkQueue(time.monotonic)
    queue.add_later("b", 60)
    waiter = asyncio.create_task(_take_all(queue))
    await asyncio.sleep(0.01)
    queue.add("a")
    for _ in range(steps):
        await asyncio.sleep(0)
    waiter.cancel()
    done, _ = await asyncio.wait([waiter], timeout=1)
    assert done
    assert waiter.cancelled()


async def _take_all(queue: WorkQueue[str]) -> None:
    while True:
        queue.done(await queue.get(), 30)


async def test_failures_back_off_and_success_forgives(queue: WorkQueue[str]) -> None:
    queue.add("a")
    delays = []
    for _ in range(12):
        delays.append(queue.failed("a"))

    assert delays[:4] == [BASE_DELAY, 2 * BASE_DELAY, 4 * BASE_DELAY, 8 * BASE_DELAY]
    assert delays[-1] == MAX_DELAY
    queue.done("a")
    assert queue.failed("a") == BASE_DELAY


async def test_the_servers_own_wish_for_time_is_granted(queue: WorkQueue[str]) -> None:
    assert queue.failed("a", at_least=7.0) == 7.0


async def test_no_failure_puts_a_look_off_for_more_than_a_few(queue: WorkQueue[str]) -> None:
    """R7: a rollout under way is looked at each three seconds."""
    delays = [queue.failed("a", at_least=3600.0) for _ in range(20)]

    assert max(delays) == MAX_DELAY <= 5 * LOOK_SECONDS


async def test_a_failing_key_is_not_hurried_by_its_own_writes(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    queue.failed(key)
    queue.add("a")

    assert await nothing_comes(queue)
    clock.now += BASE_DELAY
    assert await queue.get() == "a"


async def test_a_key_that_came_while_it_failed_again_waits_for_its_whole_delay(
    queue: WorkQueue[str], clock: Clock
) -> None:
    """Its own writes come back as events: they must not shorten a delay that has grown beyond the shortest."""
    queue.add("a")
    key = await queue.get()
    delays = []
    for _ in range(3):
        queue.add(key)
        delays.append(queue.failed(key))
        assert queue.next_due() == pytest.approx(delays[-1])
        clock.now += delays[-1]
        assert await queue.get() == key
    assert delays == [BASE_DELAY, 2 * BASE_DELAY, 4 * BASE_DELAY]


async def test_a_forgotten_key_does_not_come_back_but_can_be_added(queue: WorkQueue[str]) -> None:
    queue.add("a")
    queue.forget(await queue.get())

    assert await nothing_comes(queue)
    queue.add("a")
    assert await queue.get() == "a"


def test_jitter_spreads_within_half() -> None:
    shortest = WorkQueue[str](lambda: 0.0, jitter=lambda: 0.0)
    longest = WorkQueue[str](lambda: 0.0, jitter=lambda: 1.0)

    assert shortest.failed("a") == longest.failed("a") / 2


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["add", "later", "done", "failed", "tick"]))))
def test_no_key_is_lost_or_worked_on_twice_at_a_time(steps: list[tuple[str, str]]) -> None:
    asyncio.run(_no_key_is_lost(steps))


async def _no_key_is_lost(steps: list[tuple[str, str]]) -> None:
    clock = Clock()
    queue: WorkQueue[str] = WorkQueue(clock, jitter=lambda: 1.0)
    working: set[str] = set()
    owed: set[str] = set()
    for key, step in steps:
        if step in ("add", "later"):
            queue.add(key) if step == "add" else queue.add_later(key, 5.0)
            owed.add(key)
        elif step == "tick":
            clock.now += 3.0
        elif key in working:
            working.discard(key)
            queue.done(key) if step == "done" else queue.failed(key)
            owed |= {key} if step == "failed" else set()
        with contextlib.suppress(TimeoutError):
            taken = await asyncio.wait_for(queue.get(), 0.001)
            assert taken not in working
            working.add(taken)
            owed.discard(taken)
    clock.now += 1000.0
    for key in working:
        queue.done(key)
    while owed:
        owed.discard(await asyncio.wait_for(queue.get(), 1.0))
