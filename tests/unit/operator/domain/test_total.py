"""The decision raises for nothing that can be stored, seen or asked for."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings
from sampler_rollouts.domain.decision import ResourceMeta, decide, question
from sampler_rollouts.domain.evidence.look import CheckLook, Evidence, Traffic, Verdict
from sampler_rollouts.domain.evidence.samples import Question
from sampler_rollouts.domain.observation import Observation, PodState, WorkloadState
from sampler_rollouts.domain.status import Stage, Status

from tests.support.examples import examples
from tests.unit.operator.domain import invariants
from tests.unit.operator.domain.histories import HISTORIES, specs
from tests.unit.operator.domain.world import START, World, failing, inconclusive, passing, spec

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


@settings(max_examples=examples(6) * HISTORIES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
