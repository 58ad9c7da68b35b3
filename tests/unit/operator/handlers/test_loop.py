"""The loop: serial per key, concurrent over keys, and it survives whatever a reconcile does."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from sampler_rollouts.cluster.errors import UnavailableError
from sampler_rollouts.cluster.kinds import RolloutKey
from sampler_rollouts.handlers import loop as loop_module
from sampler_rollouts.handlers import probes
from sampler_rollouts.handlers.loop import ReconcileLoop
from sampler_rollouts.reconcile.reconciler import Result

A, B = RolloutKey("n", "a"), RolloutKey("n", "b")


async def no_keys() -> list[RolloutKey]:
    return []


@asynccontextmanager
async def running(
    reconcile: Callable[[RolloutKey], Awaitable[Result]],
    list_keys: Callable[[], Awaitable[list[RolloutKey]]] = no_keys,
    resync: float = 60.0,
) -> AsyncIterator[ReconcileLoop]:
    loop = ReconcileLoop(reconcile, list_keys, resync=resync)
    task = asyncio.create_task(loop.run())
    try:
        yield loop
    finally:
        loop.stop()
        await asyncio.wait_for(task, 5)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - it polls what has no event
            await asyncio.sleep(0.005)


async def test_one_key_is_never_worked_on_twice_at_a_time_and_others_go_on() -> None:
    now: Counter[RolloutKey] = Counter()
    most: Counter[RolloutKey] = Counter()
    ended: Counter[RolloutKey] = Counter()

    async def reconcile(key: RolloutKey) -> Result:
        now[key] += 1
        most[key] = max(most[key], now[key])
        await asyncio.sleep(0.02 if key == A else 0)
        now[key] -= 1
        ended[key] += 1
        return Result()

    async with running(reconcile) as loop:
        for _ in range(20):
            loop.queue.add(A)
            loop.queue.add(B)
            await asyncio.sleep(0.004)
        await until(lambda: not loop.queue.working and len(loop.queue) == 2)

    assert most == {A: 1, B: 1}
    assert ended[B] > ended[A] > 1


async def test_a_reconcile_that_hangs_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among many more than there are threads: waiting for a dead metrics source is not a place in the queue."""
    done = asyncio.Event()

    async def reconcile(key: RolloutKey) -> Result:
        if key == B:
            done.set()
        else:
            await asyncio.sleep(3600)
        return Result()

    monkeypatch.setattr(loop_module, "WIND_UP", 0.05)
    async with running(reconcile) as loop:
        for number in range(100):
            loop.queue.add(RolloutKey("n", f"hung-{number}"))
        loop.queue.add(B)
        await asyncio.wait_for(done.wait(), 1)


@pytest.mark.parametrize("error", [RuntimeError("bug"), UnavailableError("down")])
async def test_an_error_ends_neither_the_loop_nor_the_key(error: Exception) -> None:
    calls: list[RolloutKey] = []

    async def reconcile(key: RolloutKey) -> Result:
        calls.append(key)
        if len(calls) < 3:
            raise error
        return Result()

    async with running(reconcile) as loop:
        loop.queue.add(A)
        await until(lambda: len(calls) == 3)


async def test_what_is_gone_is_forgotten() -> None:
    calls: list[RolloutKey] = []

    async def reconcile(key: RolloutKey) -> Result:
        calls.append(key)
        return Result(gone=True)

    async with running(reconcile) as loop:
        loop.queue.add(A)
        await until(lambda: bool(calls) and not loop.queue.working)
        assert len(loop.queue) == 0


async def test_it_comes_back_when_the_decision_says_so() -> None:
    calls: list[RolloutKey] = []

    async def reconcile(key: RolloutKey) -> Result:
        calls.append(key)
        return Result(requeue_after=0.02)

    async with running(reconcile) as loop:
        loop.queue.add(A)
        await until(lambda: len(calls) >= 3)


async def test_resync_finds_what_no_event_told_and_survives_an_outage() -> None:
    calls: list[RolloutKey] = []
    answers: list[list[RolloutKey] | Exception] = [UnavailableError("down"), [A], [A, B]]

    async def list_keys() -> list[RolloutKey]:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def reconcile(key: RolloutKey) -> Result:
        calls.append(key)
        return Result()

    async with running(reconcile, list_keys, resync=0.02) as loop:
        assert not loop.synced
        await until(lambda: {A, B} <= set(calls))
        assert loop.synced


async def test_of_many_that_come_at_once_not_all_begin_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "AT_ONCE", 2)
    monkeypatch.setattr(loop_module, "PACE", 0.05)
    monkeypatch.setattr(loop_module, "WIND_UP", 0.05)
    begun: list[float] = []

    async def reconcile(key: RolloutKey) -> Result:
        begun.append(time.monotonic())
        await asyncio.sleep(10)
        return Result()

    async with running(reconcile) as loop:
        for number in range(5):
            loop.queue.add(RolloutKey("n", f"r{number}"))
        await until(lambda: len(begun) == 5)
    assert begun[1] - begun[0] < begun[4] - begun[2]
    assert begun[4] - begun[2] > 0.09


async def test_stopping_lets_a_reconcile_finish() -> None:
    ended: list[RolloutKey] = []

    async def reconcile(key: RolloutKey) -> Result:
        await asyncio.sleep(0.1)
        ended.append(key)
        return Result()

    async with running(reconcile) as loop:
        loop.queue.add(A)
        await until(lambda: loop.queue.working == 1)

    assert ended == [A]


async def test_a_loop_that_breaks_ends_instead_of_pretending() -> None:
    async def list_keys() -> list[RolloutKey]:
        raise RuntimeError("bug in the loop itself")

    async def reconcile(key: RolloutKey) -> Result:
        return Result()

    with pytest.raises(RuntimeError, match="bug"):
        await ReconcileLoop(reconcile, list_keys).run()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_liveness_fails_when_the_loop_no_longer_turns() -> None:
    clock = Clock()

    async def reconcile(key: RolloutKey) -> Result:
        return Result()

    loop = ReconcileLoop(reconcile, no_keys, clock=clock)

    assert probes.liveness(loop) == ""
    clock.now += probes.STALE + 1
    assert "not turned" in probes.liveness(loop)


async def test_readiness_waits_for_the_first_listing() -> None:
    async def reconcile(key: RolloutKey) -> Result:
        return Result()

    listed = asyncio.Event()

    async def list_keys() -> list[RolloutKey]:
        await listed.wait()
        return []

    async with running(reconcile, list_keys) as loop:
        await asyncio.sleep(0.01)
        assert probes.readiness(loop)
        listed.set()
        await until(lambda: probes.readiness(loop) == "")


async def test_a_cut_off_is_said_in_plain_words_and_the_key_comes_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[RolloutKey] = []

    async def reconcile(key: RolloutKey) -> Result:
        calls.append(key)
        if len(calls) == 1:
            await asyncio.sleep(3600)
        return Result()

    monkeypatch.setattr(loop_module, "RECONCILE_LIMIT", 0.02)
    async with running(reconcile) as loop:
        loop.queue.add(A)
        await until(lambda: len(calls) == 2)
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "cut off after 0.02 s" in line.getMessage()
    assert line.exc_info is None


async def test_a_reconciles_own_timeout_is_no_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[RolloutKey] = []

    async def reconcile(key: RolloutKey) -> Result:
        calls.append(key)
        raise TimeoutError("a bug")

    async with running(reconcile) as loop:
        loop.queue.add(A)
        await until(lambda: bool(calls) and not loop.queue.working)
        assert loop.cut_off_for() == 0
    assert "cut off" not in caplog.text


async def test_liveness_fails_when_every_reconcile_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """All threads hang: the loop turns, no single reconcile is stuck for long, and yet nothing is ever looked at."""
    clock = Clock()
    hanging = True

    async def reconcile(key: RolloutKey) -> Result:
        if hanging:
            await asyncio.sleep(3600)
        return Result()

    monkeypatch.setattr(loop_module, "RECONCILE_LIMIT", 0.01)
    loop = ReconcileLoop(reconcile, no_keys, clock=clock)
    await loop._once(A)
    assert probes.liveness(loop) == ""
    clock.now += probes.RECONCILE_LIMIT + probes.STALE + 1
    loop._beat = clock.now
    await loop._once(A)
    assert "cut off" in probes.liveness(loop)
    hanging = False
    await loop._once(B)
    assert probes.liveness(loop) == ""


async def test_a_listing_that_hangs_is_given_up_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    async def list_keys() -> list[RolloutKey]:
        tries.append(1)
        if len(tries) == 1:
            await asyncio.sleep(3600)
        return [A]

    calls: list[RolloutKey] = []

    async def reconcile(key: RolloutKey) -> Result:
        calls.append(key)
        return Result()

    monkeypatch.setattr(loop_module, "RECONCILE_LIMIT", 0.02)
    async with running(reconcile, list_keys, resync=0.02) as loop:
        await until(lambda: bool(calls))
        assert loop.cut_off_for() == 0
