"""A reconcile that was cut off leaves a thread behind, which nobody can stop: it must not write any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.cluster.errors import CutOffError
from sampler_rollouts.cluster.permit import Permit
from sampler_rollouts.handlers import loop as loop_module
from sampler_rollouts.handlers.loop import ReconcileLoop
from sampler_rollouts.reconcile.reconciler import Reconciler
from sampler_rollouts.reconcile.sampling import BoundedMetrics

from tests.support.kube.api import MemoryApi, Obj, Write
from tests.unit.operator.reconcile.world import KEY, World, spec

HANGS = [("GET", "/samplerrollouts/chat"), ("GET", "/pods"), ("PUT", "/status"), ("PATCH", "/services/")]


class HungApi:
    """Answers the first call of a kind only when it is released; then it does what it was asked to."""

    def __init__(self, api: MemoryApi, hangs: Write) -> None:
        self._api = api
        self._hangs = hangs
        self.hung = threading.Event()
        self.released = threading.Event()

    def request(self, method: str, path: str, **named: Any) -> Obj:
        if method == self._hangs[0] and self._hangs[1] in path and not self.hung.is_set():
            self.hung.set()
            self.released.wait(20)
        return self._api.request(method, path, **named)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def reconciler(world: World, api: HungApi, threads: ThreadPoolExecutor) -> Reconciler:
    return Reconciler(KubernetesCluster(api), BoundedMetrics(world.traffic, ["default"]), threads, world.clock)


@pytest.mark.parametrize("hangs", HANGS)
async def test_after_the_cut_off_nothing_is_asked_or_written(hangs: Write, threads: ThreadPoolExecutor) -> None:
    world = World()
    world.declare(spec())
    api = HungApi(world.api, hangs)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reconciler(world, api, threads).reconcile(KEY), 0.3)
    assert api.hung.is_set()
    asked, written = len(world.api.requests), len(world.api.writes)

    api.released.set()
    threads.shutdown()

    # The call under way cannot be taken back; what is written goes over the very version that was read.
    assert len(world.api.requests) == asked + 1
    assert len(world.api.writes) == written + (hangs[0] != "GET")


async def test_the_next_reconcile_goes_on_while_the_last_one_hangs(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    world.declare(spec())
    api = HungApi(world.api, ("PUT", "/status"))
    monkeypatch.setattr(loop_module, "RECONCILE_LIMIT", 0.3)

    async def keys() -> list[Any]:
        return [KEY]

    loop = ReconcileLoop(reconciler(world, api, threads).reconcile, keys)
    running = asyncio.create_task(loop.run())
    await until(lambda: bool(world.api.kinds("deployments")))
    assert not api.released.is_set()
    loop.stop()
    await running
    written = list(world.api.writes)
    api.released.set()
    threads.shutdown()

    # Its own status was over an older version: refused, and nothing follows.
    assert world.api.writes == written


async def test_stopping_in_mid_reconcile_lets_no_thread_write_afterwards(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM: what does not end in time is cut off, and R4 holds."""
    world = World()
    world.declare(spec())
    api = HungApi(world.api, ("PUT", "/status"))
    monkeypatch.setattr(loop_module, "WIND_UP", 0.05)

    async def keys() -> list[Any]:
        return [KEY]

    loop = ReconcileLoop(reconciler(world, api, threads).reconcile, keys)
    running = asyncio.create_task(loop.run())
    await until(api.hung.is_set)
    loop.stop()
    await running
    api.released.set()
    threads.shutdown()

    assert [path.rsplit("/", 1)[1] for _, path in world.api.writes] == ["status"]
    await world.settle(20)
    assert world.status["stage"] == "Serving"


def test_a_revoked_permit_stops_every_call_of_the_adapter() -> None:
    api = MemoryApi()
    permit = Permit()
    cluster = KubernetesCluster(api).under(permit)
    assert cluster.read(KEY) is None
    permit.revoke()

    with pytest.raises(CutOffError):
        cluster.read(KEY)
    assert len(api.requests) == 1
    assert KubernetesCluster(api).read(KEY) is None


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - it polls what has no event
            await asyncio.sleep(0.005)
