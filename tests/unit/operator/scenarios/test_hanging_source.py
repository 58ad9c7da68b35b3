"""One metrics source that hangs holds up the rollouts that ask it, and no other (Argo Rollouts stalls all of them)."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.cluster.kinds import RolloutKey
from sampler_rollouts.domain.evidence.samples import Question, SampleSet
from sampler_rollouts.reconcile.reconciler import Reconciler
from sampler_rollouts.reconcile.sampling import THREADS, BoundedMetrics

from tests.support.scenarios.specs import spec
from tests.support.scenarios.world import NAME, NAMESPACE, World

HANGING = [f"waits-{number}" for number in range(2 * THREADS)]
ONE_LOOK = 5.0


class Hangs:
    """A source that takes a question and gives no answer until it is let go."""

    def __init__(self, world: World) -> None:
        self._traffic = world.traffic
        self.let_go = threading.Event()
        self.asked = threading.Semaphore(0)

    def fetch(self, question: Question, now: datetime) -> SampleSet:
        if question.source == "hangs":
            self.asked.release()
            self.let_go.wait(60)
        return self._traffic.fetch(question, now)


def prepared() -> World:
    """Everybody has a candidate under test, and that of one is bad."""
    world = World()
    for build in "ab":
        for name in (*HANGING, NAME):
            wanted = spec(build, replicas=2, steps=[50])
            wanted["quality"]["metricsSource"] = "default" if name == NAME else "hangs"
            world.declare(wanted, name)
        for _ in range(20):
            world.tick()
    world.traffic.bad("b")
    world.process = None
    world.kill(restarts_after=10_000)
    return world


@pytest.mark.long
async def test_a_rollback_is_decided_while_other_rollouts_source_hangs() -> None:
    world = await asyncio.to_thread(prepared)
    source = Hangs(world)
    metrics = BoundedMetrics(source, ["default", "hangs"], time_limit=60)
    with ThreadPoolExecutor(4) as threads:
        reconciler = Reconciler(KubernetesCluster(world.api), metrics, threads, world.clock.of_operator)
        stuck = [asyncio.create_task(reconciler.reconcile(RolloutKey(NAMESPACE, name))) for name in HANGING]
        try:
            for _ in range(THREADS):
                await asyncio.to_thread(source.asked.acquire)
            for _ in range(60):
                world.tick()
                await asyncio.wait_for(reconciler.reconcile(RolloutKey(NAMESPACE, NAME)), ONE_LOOK)
                if world.status()["failed"]:
                    break
            assert world.status()["history"][0]["result"] == "RolledBack"
            assert not any(task.done() for task in stuck)
            assert all(world.status(name)["stage"] == "Progressing" for name in HANGING)
        finally:
            source.let_go.set()
            await asyncio.gather(*stuck, return_exceptions=True)
            metrics.close()
