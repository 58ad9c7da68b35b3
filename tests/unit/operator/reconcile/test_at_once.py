"""What is held while a metrics source is waited for: nothing of the object, which is read again after that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.cluster.errors import ConflictError
from sampler_rollouts.domain.evidence.samples import Question, SampleSet
from sampler_rollouts.reconcile import reconciler
from sampler_rollouts.reconcile.reconciler import Reconciler, Result
from sampler_rollouts.reconcile.sampling import BoundedMetrics

from tests.support.kube.fields import copied
from tests.unit.operator.reconcile.world import KEY, PATH, Inline, World, begin_bad, condition, spec


@pytest.fixture
async def world() -> World:
    """A candidate has its pods."""
    one = World()
    await begin_bad(one)
    one.traffic.bad_images.clear()
    await one.turn()
    one.traffic.questions.clear()
    return one


def meanwhile(world: World, change: Callable[[], None]) -> None:
    """From now on, each time that samples are asked for."""
    fetch = world.traffic.fetch

    def changed(question: Question, now: datetime) -> SampleSet:
        change()
        return fetch(question, now)

    world.traffic.fetch = changed  # type: ignore[method-assign]


async def test_a_spec_that_changes_while_samples_are_read_is_heeded_in_the_same_look(world: World) -> None:
    meanwhile(world, lambda: world.declare(spec("b", paused=True)))
    await world.reconcile()
    assert condition(world, "Ready")[1] == "Paused"
    assert len(world.traffic.questions) == 1


async def test_a_status_that_others_write_is_asked_about_anew(world: World) -> None:
    times = iter((True, False))

    def write() -> None:
        if next(times):
            said(world, passConfidence="0.9")

    meanwhile(world, write)
    await world.reconcile()
    assert [one.pass_confidence for one in world.traffic.questions] == [0.95, 0.9]


async def test_one_that_others_write_again_and_again_is_left_for_later(world: World) -> None:
    confidences = iter(("0.9", "0.91", "0.92", "0.93"))
    meanwhile(world, lambda: said(world, passConfidence=next(confidences)))
    written = len(world.api.writes)
    with pytest.raises(ConflictError, match="changed while"):
        await world.reconcile()
    assert len(world.api.writes) == written


def said(world: World, **quality: Any) -> None:
    changed = copied(world.api.objects[PATH])
    changed["status"]["rollout"]["quality"] |= quality
    world.api.put(PATH, changed)


async def test_so_many_objects_are_worked_on_at_once_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "AT_ONCE", 2)
    running: list[int] = [0]

    class Counting(Reconciler):
        async def _go_on(self, *_: Any) -> Result:
            running.append(running[-1] + 1)
            await asyncio.sleep(0.01)
            running.append(running[-1] - 1)
            return Result()

    metrics = BoundedMetrics(world.traffic, [])
    metrics._threads = {"": Inline()}  # type: ignore[dict-item]
    one = Counting(KubernetesCluster(world.api), metrics, Inline(), world.clock)
    await asyncio.gather(*(one.reconcile(KEY) for _ in range(6)))
    assert (max(running), len(world.traffic.questions)) == (2, 6), "samples are waited for by all"


async def test_nobody_waits_for_another_s_preflight(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pods that examine may hang: what is worked on meanwhile has the room to itself."""
    monkeypatch.setattr(reconciler, "AT_ONCE", 1)
    monkeypatch.setattr(reconciler, "awaited", lambda _: ["a pool"])
    monkeypatch.setattr(reconciler, "to_read", lambda *_: ["a pod"])
    crowded: list[bool] = []

    class Preflights:
        async def read(self, *_: Any) -> tuple[()]:
            crowded.append(one._room._places.locked())
            return ()

    metrics = BoundedMetrics(world.traffic, [])
    metrics._threads = {"": Inline()}  # type: ignore[dict-item]
    preflights: Any = Preflights()
    one = Reconciler(KubernetesCluster(world.api), metrics, Inline(), world.clock, preflights=preflights)
    await one.reconcile(KEY)
    assert crowded == [False]


async def test_none_is_to_begin_while_as_many_wait_as_can_be_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "AT_ONCE", 2)
    world = World()
    one = Reconciler(KubernetesCluster(world.api), BoundedMetrics(world.traffic, []), Inline(), world.clock)
    ends = asyncio.Event()

    async def work() -> None:
        async with one._room.place():
            await ends.wait()

    tasks = [asyncio.create_task(work()) for _ in range(3)]
    await asyncio.sleep(0.01)
    await asyncio.wait_for(one.calm(), 1)  # two are worked on, one waits
    tasks.append(asyncio.create_task(work()))
    await asyncio.sleep(0.01)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(one.calm(), 0.05)
    ends.set()
    await asyncio.gather(*tasks)
    await asyncio.wait_for(one.calm(), 1)
