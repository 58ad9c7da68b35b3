"""Everything that a story happens in: a cluster, users, a metrics store, a clock, and the operator's process."""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sampler_rollouts.domain.together import ALONE
from sampler_rollouts.pods.preflight import PodPreflights

from tests.support.kube.api import MemoryApi, Obj, Write
from tests.support.kube.controllers import Controllers
from tests.support.kube.fields import copied
from tests.support.kube.gateways import Gateways
from tests.support.scenarios.errors import heard
from tests.support.scenarios.faults import Killed
from tests.support.scenarios.process import Process, Standing
from tests.support.scenarios.reports import Reports
from tests.support.scenarios.traffic import Traffic
from tests.support.scenarios.watching import Watching

NAMESPACE = "serving"
FOLDER = f"/apis/samplerrollouts.io/v1alpha1/namespaces/{NAMESPACE}/samplerrollouts"
NAME = "chat"
RESTARTS_AFTER = 2.0
TICK = 1.0
START = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)
RUNNER = asyncio.Runner(loop_factory=Standing)


class Clock:
    """The true time, and the operator's, which may differ."""

    def __init__(self) -> None:
        self.now = START
        self.skew = timedelta(0)

    def __call__(self) -> datetime:
        return self.now

    def of_operator(self) -> datetime:
        """What the operator's machine takes for the time."""
        return self.now + self.skew

    def monotonic(self) -> float:
        """Seconds since the beginning: no jump touches it."""
        return (self.now - START).total_seconds()


class OlderReads:
    """A cache between operator and API server that lags behind, for some kinds."""

    def __init__(self, world: World) -> None:
        self._world = world

    def request(self, method: str, path: str, **more: Any) -> Obj:
        """A read is answered from an older state."""
        api = self._world.api
        lag = self._lag(path)
        if method != "GET" or not lag:
            return api.request(method, path, **more)
        newest = api.objects, api._version
        try:
            api.objects, api._version = self._world.past[max(0, len(self._world.past) - 1 - lag)]
            return api.request(method, path, **more)
        finally:
            api.objects, api._version = newest

    def events(self, path: str, query: Obj, seconds: float) -> Iterator[Obj]:
        """What happened until the older state."""
        api = self._world.api
        told, lag = api.events(path, query, seconds), self._lag(path)
        if not lag:
            return told
        _, last = self._world.past[max(0, len(self._world.past) - 1 - lag)]
        return (event for event in told if int(event["object"]["metadata"]["resourceVersion"]) <= last)

    def _lag(self, path: str) -> int:
        return next((lag for plural, lag in self._world.lags.items() if f"/{plural}" in path), 0)


class World:
    """``tick`` is a second: the cluster does its part, users ask, and the operator looks if it is called."""

    def __init__(self, server: Callable[[Clock], MemoryApi] = MemoryApi) -> None:
        """``server`` makes what the operator takes for the API server."""
        self.clock = Clock()
        self._server = server
        self.api = server(self.clock)
        self.controllers = Controllers(self.api, self.clock)
        self.gateways = Gateways(self.api)
        self.traffic = Traffic(self.api, self.clock, self.gateways)
        self.reports = Reports(self.api, self.clock)
        self.watching = Watching(self)
        self.controllers.on_scaled_away = self.watching.scaled_away
        self.lags: dict[str, int] = {}
        """By plural, how many seconds old the operator's reads are."""
        self.past: deque[tuple[dict[str, Obj], int]] = deque(maxlen=120)
        """Objects and version of each second."""
        self.gitops: Callable[[], None] = lambda: None
        """What applies Git, each second."""
        self.suspects = ALONE
        """As the operator's configuration says at its next start."""
        self.namespaces: dict[str, str] = {}
        """By name, of SamplerRollouts that are not in ``NAMESPACE``."""
        self.process: Process | None = None
        self._starts_at = 0.0
        self.kills = 0
        self.dead = False
        """Whether no operator is ever started again, whatever a story says."""
        self.start()

    def start(self) -> None:
        """A new process of the operator."""
        reads: Any = OlderReads(self)
        pods, wrong = PodPreflights(self.reports.get), self.watching.an_error_in_the_operator
        clocks = self.clock.of_operator, self.clock.monotonic
        self.process = Process(self.api, reads, self.traffic, pods, *clocks, wrong, self.suspects)

    def kill(self, restarts_after: float = RESTARTS_AFTER) -> None:
        """The process is gone, and comes back."""
        self.process, self.kills = None, self.kills + 1
        self._starts_at = self.clock.monotonic() + restarts_after

    def die(self) -> None:
        """The process is gone for good."""
        self.process, self.dead = None, True

    def another(self) -> World:
        """One like it, in which nothing has been yet."""
        return World(self._server)

    def become(self, other: World) -> None:
        """Go on from where another world stands, with an operator that has just been started."""
        self.api.take_over(other.api)
        self.clock.now = other.clock.now
        self.controllers.take_over(other.controllers)
        self.gateways.take_over(other.gateways)
        self.traffic.counters = copy.deepcopy(other.traffic.counters)
        self.start()

    def path(self, name: str = NAME) -> str:
        """Where a SamplerRollout lives."""
        return f"{FOLDER}/{name}".replace(f"/{NAMESPACE}/", f"/{self.namespaces.get(name, NAMESPACE)}/")

    def rollout(self, name: str = NAME) -> Obj | None:
        """A SamplerRollout, if it is there."""
        return self.api.objects.get(self.path(name))

    def status(self, name: str = NAME) -> Obj:
        """What a person sees."""
        found: Obj = (self.rollout(name) or {}).get("status") or {}
        return found

    def declare(self, wanted: Obj, name: str = NAME) -> None:
        """What a person or GitOps applies."""
        body = {
            "apiVersion": "samplerrollouts.io/v1alpha1",
            "kind": "SamplerRollout",
            "metadata": {"name": name, "namespace": self.namespaces.get(name, NAMESPACE)},
            "spec": copied(wanted),
        }
        query = {"fieldManager": "gitops", "force": "true"}
        self.api.answer("PATCH", self.path(name), query=query, body=body, content_type="application/apply-patch+yaml")

    def annotate(self, key: str, value: str, name: str = NAME) -> None:
        """``kubectl annotate``."""
        body = {"metadata": {"annotations": {key: value}}}
        self._merge(self.path(name), body)

    def scale(self, path: str, replicas: int) -> None:
        """``kubectl scale``, or an autoscaler."""
        self._merge(path, {"spec": {"replicas": replicas}})

    def _merge(self, path: str, body: Obj) -> None:
        query = {"fieldManager": "kubectl"}
        self.api.answer("PATCH", path, query=query, body=body, content_type="application/merge-patch+json")

    def delete(self, path: str, policy: str = "Background") -> None:
        """``kubectl delete``."""
        self.api.answer("DELETE", path, body={"propagationPolicy": policy})

    def tick(self) -> None:
        """A second passes."""
        self.clock.now += timedelta(seconds=TICK)
        self.controllers.run()
        self.gateways.run()
        self.traffic.flow(TICK)
        self.gitops()
        self.past.append((dict(self.api.objects), self.api._version))
        if self.process is None and not self.dead and self.clock.monotonic() >= self._starts_at:
            self.start()
        if self.process is not None:
            self._work(self.process)
        self.controllers.run()
        self.gateways.run()
        self.watching.look()

    def _work(self, process: Process) -> None:
        try:
            with heard(self.watching.an_error_in_the_operator):
                process.notice()
                process.work(RUNNER)
        except Killed:
            self.kill()

    def refuse_writes(self, wrong: Callable[[Write], Exception | None]) -> None:
        """From now on some writes of the operator are answered with an error."""

        def refuse(write: Write) -> None:
            if error := wrong(write):
                raise error

        self.api.before_write = refuse
