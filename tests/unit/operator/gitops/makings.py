"""How a SamplerRollout comes into each state, by the decision itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sampler_rollouts.cluster.siblings import sibling
from sampler_rollouts.crd import definition
from sampler_rollouts.domain.observation import Refused
from sampler_rollouts.domain.resource import ACT_PREFIX, API_VERSION, KIND

from tests.unit.operator.domain.routed import serving
from tests.unit.operator.domain.story import bad, one_pool_promoted, rolling
from tests.unit.operator.domain.test_preflight import OFF, examined
from tests.unit.operator.domain.test_shared_degradation import shared
from tests.unit.operator.domain.world import World, established, failing, inconclusive, passing, spec

Object = dict[str, Any]
PAUSE = {"strategy": {"steps": [{"weight": 50, "minDuration": "10s"}, {"pause": {}}]}}
WAVES = {"strategy": {"waves": [["cpu-a"], ["cpu-b"]]}, "replicas": 4}


BAKE: dict[str, Any] = {"strategy": {"steps": [{"weight": 50, "minDuration": "5s"}], "bakeTime": "2h"}}


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
    status = world.raw_status or default_status()
    return found | ({"status": status} if status else {})


def default_status() -> Object:
    (version,) = definition()["spec"]["versions"]
    default: Object = version["schema"]["openAPIV3Schema"]["properties"]["status"].get("default", {})
    return default


def edited() -> World:
    world = established()
    world.update(spec("b"))
    return world


def deleted() -> Object:
    body = rollout_object(established())
    body["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    return body


def invalid() -> World:
    world = established()
    world.update({"pools": []})
    world.tick()
    return world


def starting(**more: Any) -> World:
    world = World(spec(**more))
    world.tick()
    return world


def never_ready() -> World:
    world = starting()
    world.never_ready.add(world.revision_of("candidate"))
    world.run(150)
    return world


def cannot_start() -> World:
    world = starting()
    world.blocked[world.revision_of("candidate")] = "ErrImagePull"
    world.run(140)
    return world


def verified() -> World:
    world = established()
    world.judge = passing
    world.run(400)
    return world


def waiting() -> World:
    world = rolling(**PAUSE)
    world.judge = passing
    world.run(60)
    return world


def paused_midway() -> World:
    world = rolling()
    world.update(spec("b", paused=True))
    world.tick()
    return world


def blind() -> World:
    world = rolling()
    world.metrics_up = False
    world.run(30)
    return world


def shared_fault() -> World:
    world = rolling()
    world.judge = shared
    world.tick()
    return world


def no_pods() -> World:
    world = established()
    world.update(spec("b"))
    world.tick()
    world.blocked[world.revision_of("candidate")] = "Unschedulable"
    world.run(200)
    return world


def rolling_back() -> World:
    world = rolling()
    world.judge = bad(world.revision_of("candidate"))
    world.tick()
    return world


def rolled_back() -> World:
    world = rolling_back()
    world.run(60)
    return world


def reverted() -> World:
    world = rolled_back()
    world.update(spec("a"))
    world.run(15)
    return world


def withdrawing() -> World:
    world = rolling()
    world.update(spec("c"))
    world.tick()
    return world


def restoring() -> World:
    world = rolling()
    world.judge = passing
    world.until("Serving")
    world.update(spec("a"))
    world.tick()
    return world


def not_well() -> World:
    world = established()
    world.judge = failing()
    world.run(20)
    return world


def retesting() -> World:
    world = not_well()
    world.judge = inconclusive
    world.update(spec("a", retryGeneration=1))
    world.run(20)
    return world


def stuck(judge_fails: bool) -> World:
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


def immovable() -> World:
    world = rolling()
    world.undeletable = world.unscalable = True
    world.update(spec("a"))
    world.run(200)
    return world


def left_over() -> World:
    world = rolling()
    world.undeletable = True
    world.judge = bad(world.revision_of("candidate"))
    world.run(200)
    world.judge = passing
    world.update(spec("a"))
    world.run(30)
    return world


def service_gone() -> World:
    world = established()
    del world.children["Service", "demo-standard"]
    world.raw_status = world.decide().status.dump()
    return world


def unexamined() -> World:
    world = examined()
    world.examining.says["cpu-a"] = OFF
    world.run(150)
    return world


def route_gone() -> World:
    world = serving()
    del world.children["HTTPRoute", world.name]
    world.raw_status = world.decide().status.dump()
    return world


def route_refused() -> World:
    world = serving()
    world.refused = (Refused("HTTPRoute", world.name, "", "", "apply", 'httproutes "demo" is forbidden'),)
    world.raw_status = world.decide().status.dump()
    return world


def route_not_accepted() -> World:
    world = serving()
    world.problem = "NotAllowedByListeners"
    world.run(10)
    return world


def route_not_taken_over() -> World:
    world = serving()
    world.behind = True
    world.run(300)
    return world


def service_refused() -> World:
    world = established()
    words = 'services "demo-standard" is forbidden'
    world.refused = (Refused("Service", "demo-standard", "", "", "apply", words),)
    world.raw_status = world.decide().status.dump()
    return world


def lost() -> World:
    world = rolling(replicas=4)
    world.unmark()
    world.wipe()
    world.run(30)
    return world


def pods_away(names: Callable[[World], Iterator[str]]) -> World:
    world = established()
    world.unready = set(names(world))
    world.run(200)
    return world


def all_of_a_pool(world: World) -> Iterator[str]:
    return (pod.name for pod in world.pods if pod.pool == "cpu-a")


def one(world: World) -> Iterator[str]:
    return (pod.name for pod in world.pods[:1])


def say(world: World, act: str, release: str) -> World:
    """A person annotates it."""
    world.annotations[ACT_PREFIX + act] = release
    world.tick()
    return world


def paused_by_act() -> World:
    world = rolling()
    return say(world, "pause", world.status.candidate.hash)  # type: ignore[union-attr]


def aborted() -> World:
    world = rolling()
    say(world, "abort", world.status.candidate.hash)  # type: ignore[union-attr]
    world.run(60)
    return world


def promoted() -> World:
    world = established(**BAKE)
    world.judge = passing
    world.update(spec("b", **BAKE))
    world.until("Progressing")
    world.until("Serving")
    world.tick()
    return world


def _elsewhere(world: World) -> World:
    """Another SamplerRollout of the namespace in which build b failed."""
    other = {"metadata": {"name": "other", "namespace": "default"}, "status": rolled_back().raw_status}
    world.siblings = (sibling(other),)
    world.run(30)
    return world


def suspect_candidate() -> World:
    return _elsewhere(rolling())


def suspect_stable() -> World:
    return _elsewhere(established("b"))
