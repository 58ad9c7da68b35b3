"""What random histories are made of: specs, evidence, pods, outages, people, and an operator that is killed."""

from __future__ import annotations

import os
from typing import Any

import hypothesis.strategies as st
from sampler_rollouts.domain.release import release_hash, revisions
from sampler_rollouts.domain.render import LABEL_POOL
from sampler_rollouts.domain.resource import ACT_PREFIX, PROMOTE_ANNOTATION, parse_spec
from sampler_rollouts.domain.status import Stage

from tests.support.examples import examples
from tests.unit.operator.domain.examining import FAILED, OFF, PASSED, RUNNING, SILENT
from tests.unit.operator.domain.story import bad, silent
from tests.unit.operator.domain.world import World, failing, image, inconclusive, passing, spec

HISTORIES = int(os.environ.get("HISTORIES", examples(12)))
"""Raise it for a soak."""
SAID = [
    ("abort", "candidate"),
    ("abort", "stable"),
    ("rollback", "candidate"),
    ("rollback", "stable"),
    ("pause", "candidate"),
    ("pause", "stable"),
    ("resume", "candidate"),
    ("resume", "stable"),
    ("clear-suspect", "candidate"),
]
"""Acts, and the role of the release that they are for."""

EXAMINED = st.sampled_from([PASSED, PASSED, FAILED, RUNNING, OFF, SILENT, PASSED | {"digest": "sha256:" + "b" * 64}])
"""What a pod says of its preflight."""

STEPS = st.lists(st.sampled_from([1, 10, 25, 50, 75, 99]), min_size=1, max_size=3, unique=True).map(
    lambda weights: [{"weight": weight, "minDuration": "10s"} for weight in sorted(weights)]
)


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """A valid spec: pools, replicas or an autoscaler's, builds, waves, steps with or without a pause, what to do when
    inconclusive."""
    pools = draw(st.sampled_from([("cpu-a",), ("cpu-a", "cpu-b"), ("cpu-b", "cpu-c")]))
    steps = draw(STEPS)
    if draw(st.booleans()):
        steps.insert(draw(st.integers(0, len(steps))), {"pause": {}})
    made = spec(draw(st.sampled_from("aabc")), pools, draw(st.integers(1, 5)))
    if classes := draw(st.sampled_from([(), (), ("standard",), ("long", "standard")])):
        _classes(made, classes)
    if draw(st.sampled_from([False, False, True])):
        for pool in made["pools"]:
            del pool["replicas"]
    together = draw(st.booleans())
    made["strategy"] |= {"steps": steps, "waves": [list(pools)] if together else [[name] for name in pools]}
    made["strategy"] |= {"deadline": draw(st.sampled_from(["5m", "30m"]))}
    if draw(st.booleans()):
        made["strategy"]["preflight"] = draw(st.sampled_from([{}, {"timeout": "1m"}, {"compareWithStable": False}]))
    made["rollback"] = {"onInconclusive": draw(st.sampled_from(["Hold", "Rollback"]))}
    made["rollback"] |= {"scope": draw(st.sampled_from(["Release", "Release", "Pool"]))}
    made["paused"] = draw(st.sampled_from([False, False, False, True]))
    made["retryGeneration"] = draw(st.integers(0, 2))
    return made


def _classes(made: dict[str, Any], names: tuple[str, ...]) -> None:
    """Give each pool a context class in turn; classes that are left without a pool do not exist."""
    used = names[: len(made["pools"])]
    for number, pool in enumerate(made["pools"]):
        pool["contextClass"] = used[number % len(used)]
    made["routing"] = {"contextClasses": [{"name": name, "maxTokens": 10 * len(name)} for name in used]}


ACTIONS = st.one_of(
    st.tuples(st.just("tick"), st.sampled_from([1, 5, 30, 120])),
    st.tuples(st.just("tick"), st.sampled_from([5, 5, 5])),
    st.tuples(st.just("killed"), st.integers(0, 8)),
    st.tuples(st.just("spec"), specs()),
    st.tuples(
        st.just("judge"),
        st.sampled_from([passing, passing, inconclusive, silent, failing(), failing("errors", "cpu-b")]),
    ),
    st.tuples(st.just("metrics"), st.booleans()),
    st.tuples(st.just("crash"), st.booleans()),
    st.tuples(st.just("blocked"), st.booleans()),
    st.tuples(st.just("never"), st.booleans()),
    st.tuples(st.just("person"), st.integers(0, 3)),
    st.tuples(st.just("lost"), st.integers(0, 3)),
    st.tuples(st.just("retry"), st.none()),
    st.tuples(st.just("word too early"), st.none()),
    st.tuples(st.just("said"), st.sampled_from(SAID)),
    st.tuples(st.just("pool removed"), st.integers(0, 1)),
    st.tuples(st.just("recreated"), st.sampled_from([0, 60])),
    st.tuples(st.just("stable away"), st.booleans()),
    st.tuples(st.just("stable fails"), st.none()),
    st.tuples(st.just("undeletable"), st.booleans()),
    st.tuples(st.just("unscalable"), st.booleans()),
    st.tuples(st.just("wiped"), st.booleans()),
    st.tuples(st.just("stable unready"), st.integers(0, 4)),
    st.tuples(st.just("examined"), st.tuples(st.sampled_from(["cpu-a", "cpu-b"]), EXAMINED)),
    st.tuples(st.just("scaled"), st.tuples(st.sampled_from(["cpu-a", "cpu-b"]), st.integers(1, 8))),
    st.tuples(st.just("scales"), st.sampled_from(["readable", "unreadable", "deleted"])),
    st.tuples(st.just("split"), st.sampled_from([None, 0.0, 0.5, 0.95])),
)


def act(world: World, action: tuple[str, Any]) -> None:
    """Do one of them."""
    kind, value = action
    candidate = world.revision_of("candidate") or world.revision_of("candidate", "cpu-b")
    if kind == "tick":
        world.tick(value)
    elif kind == "killed":
        world.tick(5, writes=value)
    elif kind == "spec":
        world.update(value)
    elif kind == "judge":
        world.judge = value
    elif kind == "metrics":
        world.metrics_up = value
    elif kind == "crash":
        world.crashing = {candidate} if value and candidate else set()
    elif kind == "blocked":
        world.blocked = {candidate: "Unschedulable"} if value and candidate else {}
    elif kind == "never":
        world.never_ready = {candidate} if value and candidate else set()
    elif kind == "person" and world.status.candidate:
        world.annotations[PROMOTE_ANNOTATION] = f"{world.status.candidate.hash}:{value}"
    elif kind == "lost" and world.pods:
        world.pods.pop(value % len(world.pods))
    else:
        _act_more(world, kind, value)


def _act_more(world: World, kind: str, value: Any) -> None:
    stable = {item.revision for item in world.status.stable.pools} if world.status.stable else set()
    if kind == "retry":
        world.update(world.spec | {"retryGeneration": world.spec.get("retryGeneration", 0) + 1})
    elif kind == "word too early":
        world.annotations[PROMOTE_ANNOTATION] = target(world)
    elif kind == "pool removed" and len(world.spec["pools"]) > 1:
        world.update(_without_pool(world.spec, world.spec["pools"][value]["name"]))
    elif kind == "said":
        _say(world, *value)
    elif kind == "recreated":
        world.collected_after = value
        world.recreate()
    elif kind == "stable away":
        world.blocked = dict.fromkeys(stable, "ErrImagePull") if value else {}
    elif kind == "stable fails":
        world.judge = bad(*stable)
    elif kind == "undeletable":
        world.undeletable = value
    elif kind == "unscalable":
        world.unscalable = value
    elif kind == "wiped":
        if value:
            world.unmark()
        world.wipe()
    elif kind == "stable unready":
        world.unready = {pod.name for pod in [one for one in world.pods if one.revision in stable][:value]}
    elif kind == "examined":
        world.examining.says[value[0]] = value[1]
    elif kind == "scaled":
        world.scale(*value)
    elif kind == "scales":
        world.scales_readable = value != "unreadable"
        if value == "deleted":
            world.children = {key: one for key, one in world.children.items() if key[0] != "SamplerPool"}
    elif kind == "split":
        world.arrivals.per_second, world.arrivals.split = 20, value


def _say(world: World, said: str, role: str) -> None:
    """An act for the release that has a role, if there is one; each time another value."""
    release = getattr(world.status, role)
    if release:
        world.annotations[ACT_PREFIX + said] = f"{release.hash}:{world.now.isoformat()}"


def _without_pool(old: dict[str, Any], name: str) -> dict[str, Any]:
    waves = [[pool for pool in wave if pool != name] for wave in old["strategy"]["waves"]]
    strategy = old["strategy"] | {"waves": [wave for wave in waves if wave]}
    pools = [pool for pool in old["pools"] if pool["name"] != name]
    new = old | {"pools": pools, "strategy": strategy}
    if "routing" in old:  # a class without a pool is refused
        served = {pool["contextClass"] for pool in pools}
        classes = [one for one in old["routing"]["contextClasses"] if one["name"] in served]
        new["routing"] = {"contextClasses": classes}
    return new


def hear(world: World) -> None:
    """A person lets whatever waits for one go on."""
    rollout = world.status.rollout
    if world.condition("Stalled") == ("True", "StatusLost"):
        choose_stable(world)
    if world.condition("Stalled") == ("True", "FirstReleaseFailed") and world.status.stage is Stage.ESTABLISHING:
        act(world, ("retry", None))
    if world.status.pause:
        world.annotations[ACT_PREFIX + "resume"] = f"{world.status.pause.release}:{world.now.isoformat()}"
    if rollout and world.status.candidate and (rollout.waiting or rollout.hold):
        world.annotations[PROMOTE_ANNOTATION] = f"{rollout.release}:{world.now.isoformat()}"


def choose_stable(world: World) -> None:
    """A person does as the condition says: one Deployment of each pool stays."""
    found = [key for key in world.children if key[0] == "Deployment"]
    last = {world.children[key]["metadata"]["labels"][LABEL_POOL]: key for key in found}
    for key in found:
        if key not in last.values():
            del world.children[key]


def of_build(old: dict[str, Any], letter: str) -> dict[str, Any]:
    """The same spec with another image in every pool."""
    return old | {"pools": [pool | {"image": image(letter)} for pool in old["pools"]]}


def target(world: World) -> str:
    """Hash of the release that the spec asks for."""
    return release_hash(revisions(parse_spec(world.spec, world.name)))
