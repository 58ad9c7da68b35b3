"""A SamplerRollout in every state, as the decision itself makes it, and what GitOps tools are to say of each."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sampler_rollouts.crd import definition
from sampler_rollouts.domain.observation import Refused
from sampler_rollouts.domain.resource import API_VERSION, KIND

from tests.unit.operator.domain.story import bad, holding, one_pool_promoted, rolling
from tests.unit.operator.domain.world import World, established, failing, inconclusive, passing, spec

Object = dict[str, Any]
PAUSE = {"strategy": {"steps": [{"weight": 50, "minDuration": "10s"}, {"pause": {}}]}}
WAVES = {"strategy": {"waves": [["cpu-a"], ["cpu-b"]]}, "replicas": 4}


@dataclass(frozen=True, slots=True)
class State:
    """One state: how it comes about, its headline (type and reason), and the verdicts of kstatus and Argo CD."""

    said: str
    make: Callable[[], World | Object]
    headline: str
    kstatus: str
    argo: str

    def object(self) -> Object:
        """What the API server has."""
        return copy.deepcopy(_made(self))


@functools.cache
def _made(state: State) -> Object:
    made = state.make()
    return rollout_object(made) if isinstance(made, World) else made


def rollout_object(world: World) -> Object:
    """The SamplerRollout of a world; before the first status it has what the CRD's schema says."""
    found: Object = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": world.name, "namespace": "default", "generation": world.generation},
        "spec": world.spec,
    }
    if world.annotations:
        found["metadata"]["annotations"] = dict(world.annotations)
    status = world.raw_status or _default_status()
    return found | ({"status": status} if status else {})


def _default_status() -> Object:
    (version,) = definition()["spec"]["versions"]
    default: Object = version["schema"]["openAPIV3Schema"]["properties"]["status"].get("default", {})
    return default


def _edited() -> World:
    world = established()
    world.update(spec("b"))
    return world


def _deleted() -> Object:
    body = rollout_object(established())
    body["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    return body


def _invalid() -> World:
    world = established()
    world.update({"pools": []})
    world.tick()
    return world


def _starting(**more: Any) -> World:
    world = World(spec(**more))
    world.tick()
    return world


def _never_ready() -> World:
    world = _starting()
    world.never_ready.add(world.revision_of("candidate"))
    world.run(150)
    return world


def _cannot_start() -> World:
    world = _starting()
    world.blocked[world.revision_of("candidate")] = "ErrImagePull"
    world.run(140)
    return world


def _verified() -> World:
    world = established()
    world.judge = passing
    world.run(400)
    return world


def waiting() -> World:
    world = rolling(**PAUSE)
    world.judge = passing
    world.run(60)
    return world


def _paused_midway() -> World:
    world = rolling()
    world.update(spec("b", paused=True))
    world.tick()
    return world


def _blind() -> World:
    world = rolling()
    world.metrics_up = False
    world.run(30)
    return world


def _no_pods() -> World:
    world = established()
    world.update(spec("b"))
    world.tick()
    world.blocked[world.revision_of("candidate")] = "Unschedulable"
    world.run(200)
    return world


def _rolling_back() -> World:
    world = rolling()
    world.judge = bad(world.revision_of("candidate"))
    world.tick()
    return world


def rolled_back() -> World:
    world = _rolling_back()
    world.run(60)
    return world


def _reverted() -> World:
    world = rolled_back()
    world.update(spec("a"))
    world.run(15)
    return world


def _withdrawing() -> World:
    world = rolling()
    world.update(spec("c"))
    world.tick()
    return world


def _restoring() -> World:
    world = rolling()
    world.judge = passing
    world.until("Serving")
    world.update(spec("a"))
    world.tick()
    return world


def _not_well() -> World:
    world = established()
    world.judge = failing()
    world.run(20)
    return world


def _retesting() -> World:
    world = _not_well()
    world.judge = inconclusive
    world.update(spec("a", retryGeneration=1))
    world.run(20)
    return world


def _stuck(judge_fails: bool) -> World:
    """Stable's image is gone, and the candidate is to leave a pool in which only it serves."""
    world = one_pool_promoted()
    world.blocked[world.revision_of("stable")] = "ErrImagePull"
    if judge_fails:
        world.judge = failing()
    else:
        world.judge = inconclusive
        world.update(spec("c", **WAVES) | {"paused": True})
    world.run(200)
    return world


def _immovable() -> World:
    world = rolling()
    world.undeletable = world.unscalable = True
    world.update(spec("a"))
    world.run(200)
    return world


def _left_over() -> World:
    world = rolling()
    world.undeletable = True
    world.judge = bad(world.revision_of("candidate"))
    world.run(200)
    world.judge = passing
    world.update(spec("a"))
    world.run(30)
    return world


def _service_gone() -> World:
    world = established()
    del world.children["Service", "demo-standard"]
    world.raw_status = world.decide().status.dump()
    return world


def _service_refused() -> World:
    world = established()
    words = 'services "demo-standard" is forbidden'
    world.refused = (Refused("Service", "demo-standard", "", "", "apply", words),)
    world.raw_status = world.decide().status.dump()
    return world


def _lost() -> World:
    world = rolling(replicas=4)
    world.wipe()
    world.run(30)
    return world


def _pods_away(names: Callable[[World], Iterator[str]]) -> World:
    world = established()
    world.unready = set(names(world))
    world.run(200)
    return world


def _all_of_a_pool(world: World) -> Iterator[str]:
    return (pod.name for pod in world.pods if pod.pool == "cpu-a")


def _one(world: World) -> Iterator[str]:
    return (pod.name for pod in world.pods[:1])


WORKS, FAILED, DONE = "InProgress", "Failed", "Current"
STATES = {
    "applied": State("applied, the operator has not seen it", lambda: World(spec()), "", WORKS, "Progressing"),
    "establishing": State("the first release starts", _starting, "Reconciling Establishing", WORKS, "Progressing"),
    "first-fails": State(
        "the first release is never ready", _never_ready, "Stalled FirstReleaseFailed", FAILED, "Degraded"
    ),
    "first-cannot-start": State(
        "the first release's pods cannot start", _cannot_start, "Stalled PodsNotStarted", FAILED, "Degraded"
    ),
    "paused-first": State(
        "paused before anything started", lambda: _starting(paused=True), "Reconciling Paused", WORKS, "Suspended"
    ),
    "baking": State("serves, in its bake time", established, "Ready FullTraffic", DONE, "Healthy"),
    "verified": State("serves, verified", _verified, "Ready FullTraffic", DONE, "Healthy"),
    "edited": State("a new release, not yet seen", _edited, "Ready FullTraffic", WORKS, "Progressing"),
    "invalid": State("a spec that breaks a rule", _invalid, "Stalled InvalidSpec", FAILED, "Degraded"),
    "progressing": State("a candidate at its step", rolling, "Reconciling Progressing", WORKS, "Progressing"),
    "waiting": State("a step `pause: {}`", waiting, "Reconciling WaitingForPerson", WORKS, "Suspended"),
    "paused": State("`spec.paused` in mid-rollout", _paused_midway, "Reconciling Paused", WORKS, "Suspended"),
    "blind": State("the metrics source is away", _blind, "Reconciling Progressing", WORKS, "Progressing"),
    "holding": State("no verdict at the deadline, `Hold`", holding, "Stalled DeadlineExceeded", FAILED, "Degraded"),
    "no-pods": State("the candidate's pods cannot start", _no_pods, "Stalled PodsNotStarted", FAILED, "Degraded"),
    "rolling-back": State(
        "a check failed, the candidate leaves", _rolling_back, "Reconciling RollingBack", WORKS, "Progressing"
    ),
    "rolled-back": State("rolled back", rolled_back, "Stalled RolledBack", FAILED, "Degraded"),
    "reverted": State("rolled back, then reverted in Git", _reverted, "Ready FullTraffic", DONE, "Healthy"),
    "withdrawing": State("another release asked for", _withdrawing, "Reconciling Withdrawing", WORKS, "Progressing"),
    "restoring": State("the replaced release comes back", _restoring, "Reconciling Restoring", WORKS, "Progressing"),
    "not-well": State(
        "a check fails in the first release", _not_well, "Stalled FirstReleaseFailed", FAILED, "Degraded"
    ),
    "retesting": State("it is tested anew", _retesting, "Reconciling Retesting", WORKS, "Progressing"),
    "stable-away": State(
        "rolled back, but stable does not come up", lambda: _stuck(True), "Stalled RolledBack", FAILED, "Degraded"
    ),
    "stable-away-withdrawn": State(
        "withdrawn, but stable does not come up", lambda: _stuck(False), "Stalled StableNotReady", FAILED, "Degraded"
    ),
    "pods-not-gone": State("pods that do not go", _immovable, "Stalled PodsNotGone", FAILED, "Degraded"),
    "left-over": State(
        "serves; an empty Deployment cannot be deleted", _left_over, "Ready FullTraffic", DONE, "Degraded"
    ),
    "service-missing": State(
        "the Service that users call is gone", _service_gone, "Reconciling ServiceMissing", WORKS, "Progressing"
    ),
    "service-refused": State(
        "the cluster refuses that Service", _service_refused, "Stalled ServiceRefused", FAILED, "Degraded"
    ),
    "status-lost": State("status wiped in mid-rollout", _lost, "Stalled StatusLost", FAILED, "Degraded"),
    "pool-away": State(
        "no pod of a pool is ready", lambda: _pods_away(_all_of_a_pool), "Stalled PodsNotReady", FAILED, "Degraded"
    ),
    "pod-away": State("some pods are not ready", lambda: _pods_away(_one), "Ready FullTraffic", DONE, "Degraded"),
    "deleted": State("being deleted", _deleted, "Ready FullTraffic", "Terminating", "Progressing"),
}
HEADLINES = frozenset(state.headline for state in STATES.values())
