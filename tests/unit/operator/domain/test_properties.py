"""Random histories: specs, evidence, pods, outages, people, and an operator that is killed at any write."""

from __future__ import annotations

import copy
import os
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings
from sampler_rollouts.domain.decision import ResourceMeta, decide, question
from sampler_rollouts.domain.evidence.look import CheckLook, Evidence, Traffic, Verdict
from sampler_rollouts.domain.evidence.samples import Question
from sampler_rollouts.domain.observation import Observation, PodState, WorkloadState
from sampler_rollouts.domain.resource import PROMOTE_ANNOTATION
from sampler_rollouts.domain.status import Stage, Status

from tests.unit.operator.domain import invariants
from tests.unit.operator.domain.world import START, World, failing, inconclusive, passing, spec

HISTORIES = int(os.environ.get("HISTORIES", "12"))
"""Raise it for a soak."""

SLOW = settings(max_examples=HISTORIES, deadline=None, suppress_health_check=[HealthCheck.too_slow])

STEPS = st.lists(st.sampled_from([1, 10, 25, 50, 75, 99]), min_size=1, max_size=3, unique=True).map(
    lambda weights: [{"weight": weight, "minDuration": "10s"} for weight in sorted(weights)]
)


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """A valid spec: pools, replicas, builds, waves, steps with or without a pause, and what to do when inconclusive."""
    pools = draw(st.sampled_from([("cpu-a",), ("cpu-a", "cpu-b"), ("cpu-b", "cpu-c")]))
    steps = draw(STEPS)
    if draw(st.booleans()):
        steps.insert(draw(st.integers(0, len(steps))), {"pause": {}})
    made = spec(draw(st.sampled_from("aabc")), pools, draw(st.integers(1, 5)))
    together = draw(st.booleans())
    made["strategy"] |= {"steps": steps, "waves": [list(pools)] if together else [[name] for name in pools]}
    made["strategy"] |= {"deadline": draw(st.sampled_from(["5m", "30m"]))}
    made["rollback"] = {"onInconclusive": draw(st.sampled_from(["Hold", "Rollback"]))}
    made["paused"] = draw(st.sampled_from([False, False, False, True]))
    made["retryGeneration"] = draw(st.integers(0, 2))
    return made


ACTIONS = st.one_of(
    st.tuples(st.just("tick"), st.sampled_from([1, 5, 30, 120])),
    st.tuples(st.just("tick"), st.sampled_from([5, 5, 5])),
    st.tuples(st.just("killed"), st.integers(0, 8)),
    st.tuples(st.just("spec"), specs()),
    st.tuples(
        st.just("judge"), st.sampled_from([passing, passing, inconclusive, failing(), failing("errors", "cpu-b")])
    ),
    st.tuples(st.just("metrics"), st.booleans()),
    st.tuples(st.just("crash"), st.booleans()),
    st.tuples(st.just("blocked"), st.booleans()),
    st.tuples(st.just("never"), st.booleans()),
    st.tuples(st.just("person"), st.integers(0, 3)),
    st.tuples(st.just("lost"), st.integers(0, 3)),
)


def act(world: World, action: tuple[str, Any]) -> None:
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


@SLOW
@given(specs(), st.lists(ACTIONS, min_size=5, max_size=40))
def test_the_invariants_hold_in_every_history(first: dict[str, Any], actions: list[tuple[str, Any]]) -> None:
    world = World(first, check=invariants.check)
    for action in actions:
        act(world, action)


@SLOW
@given(specs(), st.lists(ACTIONS, min_size=5, max_size=30))
def test_every_history_ends_in_rest(first: dict[str, Any], actions: list[tuple[str, Any]]) -> None:
    """Once the world is well and evidence passes, nobody waits for anything but a person."""
    world = World(first)
    for action in actions:
        act(world, action)
    world.crashing, world.blocked, world.never_ready = set(), {}, set()
    world.judge, world.metrics_up = passing, True
    world.update(world.spec | {"paused": False})
    for _ in range(40):
        world.run(25)
        if (
            world.status.candidate
            and world.status.rollout
            and (world.status.rollout.waiting or world.status.rollout.hold)
        ):
            world.annotations[PROMOTE_ANNOTATION] = f"{world.status.candidate.hash}:{world.now.isoformat()}"
    held = world.status.held(_target(world))
    ill = world.status.stable is not None and world.status.stable.fault is not None
    if held:
        assert world.condition("Stalled") == ("True", "RolledBack")
    elif ill:
        assert world.condition("Stalled") == ("True", "FirstReleaseFailed")
    else:
        assert world.condition("Ready") == ("True", "FullTraffic"), world.status.dump()
    stable = world.status.stable
    assert stable is not None
    for item in stable.pools:
        pods = [pod for pod in world.pods if pod.pool == item.name]
        assert {pod.revision for pod in pods} == {item.revision}
        assert len(pods) == world.status.pool(item.name).replicas
    assert {pod.pool for pod in world.pods} == set(stable.names())


def _target(world: World) -> str:
    from sampler_rollouts.domain.release import release_hash, revisions
    from sampler_rollouts.domain.resource import parse_spec

    return release_hash(revisions(parse_spec(world.spec, world.name)))


SCRIPT = st.lists(
    st.sampled_from(
        [("spec", "b"), ("spec", "c"), ("spec", "a"), ("judge", "pass"), ("judge", "fail"), ("run", 30), ("run", 60)]
    ),
    min_size=3,
    max_size=10,
)


@SLOW
@given(SCRIPT, st.integers(0, 120), st.integers(0, 9))
def test_killed_between_any_two_writes_the_end_is_the_same(script: list[tuple[str, Any]], at: int, writes: int) -> None:
    """R4: the same story with and without a kill ends in the same place."""
    calm, killed = _play(script, None, 0), _play(script, at, writes)
    assert _end(calm) == _end(killed)


def _play(script: list[tuple[str, Any]], at: int | None, writes: int) -> World:
    world, ticks = World(spec("a", ("cpu-a",)), check=invariants.check), 0
    for kind, value in [("run", 30), *script, ("run", 240)]:
        if kind == "spec":
            world.update(spec(value, ("cpu-a",)))
        elif kind == "judge":
            world.judge = passing if value == "pass" else failing()
        for _ in range(value // 5 if kind == "run" else 0):
            world.tick(5, writes=writes if ticks == at else None)
            ticks += 1
    return world


def _end(world: World) -> object:
    status = world.status
    return (
        world.condition("Ready"),
        status.stage,
        status.stable.hash if status.stable else "",
        sorted(item.hash for item in status.failed),
        [(entry.release, entry.result) for entry in status.history],
        world.serving(),
        sorted(world.children),
    )


NAMES = st.sampled_from(["cpu-a", "cpu-b", "x", ""])
HASHES = st.sampled_from(["0123456789", "abc", ""])
TIMES = st.datetimes(min_value=START.replace(tzinfo=None), max_value=START.replace(year=2027, tzinfo=None)).map(
    lambda when: when.replace(tzinfo=START.tzinfo, microsecond=0).isoformat()
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 500) | HASHES | TIMES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "hash", "at", "pools"]), inner)
    ),
    max_leaves=6,
)


@st.composite
def mangled(draw: st.DrawFn) -> dict[str, Any]:
    """A real status of some moment, with some members replaced or removed, at the top or deeper."""
    world = World(spec("a"))
    world.run(draw(st.sampled_from([5, 20])))
    world.update(spec(draw(st.sampled_from("ab"))))
    world.judge = draw(st.sampled_from([inconclusive, passing, failing()]))
    world.run(draw(st.sampled_from([5, 20, 60])))
    status = copy.deepcopy(world.raw_status)
    for _ in range(draw(st.integers(1, 4))):
        at: Any = status
        for _ in range(draw(st.integers(0, 3))):
            inside = list(at.values()) if isinstance(at, dict) else at
            nested = [item for item in inside if isinstance(item, dict | list) and item]
            at = draw(st.sampled_from(nested)) if nested else at
        if isinstance(at, dict) and at:
            key = draw(st.sampled_from(sorted(at)))
            at[key] = draw(JUNK | st.sampled_from([*Stage]))
            if draw(st.booleans()):
                del at[key]
    return status


PODS = st.builds(
    PodState,
    name=st.text(max_size=5),
    pool=NAMES,
    revision=HASHES,
    created_at=st.just(START),
    ready=st.booleans(),
    terminating=st.booleans(),
    restarts=st.integers(0, 5),
    blocked=st.sampled_from(["", "Unschedulable"]),
)
WORKLOADS = st.builds(
    WorkloadState, pool=NAMES, revision=HASHES, replicas=st.integers(-1, 9), refused=st.text(max_size=9)
)
TEMPLATES = st.dictionaries(st.just("cpu-a-0123456789"), st.dictionaries(st.just("spec"), JUNK))
OBSERVATIONS = st.builds(
    Observation, pods=st.lists(PODS, max_size=6).map(tuple), workloads=st.lists(WORKLOADS, max_size=3).map(tuple),
    templates=TEMPLATES,
)  # fmt: skip
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
LOOKS = st.builds(
    CheckLook, pool=NAMES, check=st.sampled_from(["errors", "unexpected-script", "replay-audit"]),
    verdict=st.sampled_from(Verdict), reason=st.text(max_size=200), checked=st.integers(-1, 9), bad=st.integers(-1, 9),
    max_rate=NUMBERS, upper_bound=NUMBERS, log_e=NUMBERS, log_threshold=NUMBERS, detail=st.text(max_size=2000),
)  # fmt: skip
EVIDENCE = st.none() | st.builds(
    Evidence, available=st.booleans(), reason=st.text(max_size=200), message=st.text(max_size=2000),
    looks=st.lists(LOOKS, max_size=6).map(lambda looks: {(look.pool, look.check): look for look in looks}),
    traffic=st.dictionaries(NAMES, st.builds(Traffic, st.integers(-1, 9), st.integers(-1, 9))),
    fresh=st.dictionaries(NAMES, st.booleans()),
)  # fmt: skip


@settings(max_examples=8 * HISTORIES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    mangled(),
    OBSERVATIONS,
    EVIDENCE,
    specs() | JUNK.filter(lambda junk: isinstance(junk, dict)),
    st.integers(-9999, 99999),
)
def test_the_decision_is_total(
    raw: dict[str, Any], seen: Observation, evidence: Evidence | None, wanted: dict[str, Any], later: int
) -> None:
    from datetime import timedelta

    meta, now = ResourceMeta("default", "demo", "uid-1", 3), START + timedelta(seconds=later)
    status = Status.load(raw)
    before = status.dump()
    asked = question(meta, wanted, status, now)
    assert asked is None or isinstance(asked, Question)
    outcome = decide(meta, wanted, status, seen, evidence, now)
    assert status.dump() == before
    invariants.conditions_are_sound(outcome)
    invariants.status_is_storable(outcome.status)
    if not evidence:
        again = decide(meta, wanted, outcome.status, seen, evidence, now)
        assert again.objects == outcome.objects
        assert again.status == outcome.status
