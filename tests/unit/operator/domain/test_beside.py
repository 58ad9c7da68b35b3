"""What serves is watched on where a candidate does not touch it (R20, R22): a step may take hours, a pause days."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.domain.decision import question, question_beside
from sampler_rollouts.domain.evidence.look import Verdict
from sampler_rollouts.domain.evidence.samples import Question

from tests.unit.operator.domain.story import reasons, results
from tests.unit.operator.domain.world import World, established, image, passing, spec

ASKED: dict[str, Any] = {
    "strategy": {"steps": [{"weight": 50, "minDuration": "20m"}], "deadline": "2h", "bakeTime": "1h"}
}


def bad_in_b(pool: str, check: str, asked: Question) -> tuple[Verdict, str]:
    """What serves in pool cpu-b is bad, and whatever comes to it."""
    return (Verdict.FAILED, "") if pool == "cpu-b" else (Verdict.PASSED, "")


def verified() -> World:
    world = established(**ASKED)
    world.judge = passing
    for _ in range(200):
        if world.status.verified:
            return world
        world.tick(25)
    raise AssertionError(world.condition("Verified"))


def in_its_bake() -> World:
    """``a`` is verified, ``b`` serves in its bake time."""
    world = verified()
    world.update(spec("b", **ASKED))
    world.until("Progressing")
    world.until("Serving")
    assert world.condition("Ready") == ("True", "FullTraffic")
    return world


def try_in_a(world: World, letter: str) -> None:
    """A release that changes pool cpu-a alone is at its first weight."""
    wanted = spec("b" if letter == "c" else "a", **ASKED)
    wanted["pools"][0]["image"] = image(letter)
    world.update(wanted)
    world.run(60)
    assert world.status.rollout is not None
    assert (world.status.stage, world.status.rollout.weight) == ("Progressing", 50)


def test_the_pools_that_a_candidate_does_not_touch_are_asked_about_too() -> None:
    world = in_its_bake()
    try_in_a(world, "c")
    tried, beside = question(world.meta, world.spec, world.status, world.now), question_beside(world.meta, world.status)
    assert tried is not None
    assert beside is not None
    assert [arm.pool for arm in tried.arms] == ["cpu-a"]
    assert [(arm.pool, arm.compared) for arm in beside.arms] == [("cpu-b", False)]
    assert beside.arms[0].serving == frozenset(pod.name for pod in world.pods if pod.pool == "cpu-b")


def test_what_fails_in_its_bake_is_taken_back_and_the_candidate_comes_again_as_a_canary() -> None:
    world = in_its_bake()
    bad = world.status.stable.hash
    try_in_a(world, "c")
    tried = world.status.candidate.hash
    world.judge = bad_in_b
    world.tick()
    assert world.status.stage == "Withdrawing", "at the next look"
    for _ in range(200):
        world.tick()
        if world.status.held(bad) and world.status.stage == "Progressing":
            break
    assert results(world)[:2] == ["RolledBack", "Withdrawn"]
    withdrawn = world.status.history[1]
    assert (withdrawn.release, withdrawn.reason) == (tried, "StableTakenBack")
    assert f"release {bad}, beside which it was tried, has failed and is taken back" in withdrawn.message
    assert world.status.history[0].release == bad
    assert "in pool cpu-b" in world.status.history[0].message
    assert world.status.stable.hash == world.status.verified.hash
    assert not world.status.held(tried)
    assert world.status.candidate.hash == tried, "it has that pool's build too: it is tried by steps, against the old"


@pytest.mark.parametrize("killed_after", [0, 1, 2])
def test_an_operator_that_is_killed_meanwhile_takes_it_back_all_the_same(killed_after: int) -> None:
    world = in_its_bake()
    bad = world.status.stable.hash
    try_in_a(world, "c")
    world.judge = bad_in_b
    world.tick(writes=killed_after)
    for _ in range(40):
        world.tick(writes=killed_after if world.status.stage == "Withdrawing" and world.now.second % 10 else None)
        if world.status.held(bad):
            return
    raise AssertionError(world.condition("Ready"))


def test_a_candidate_that_holds_leaves_too() -> None:
    world = in_its_bake()
    world.judge = lambda pool, *_: (Verdict.INCONCLUSIVE, "TooFewRequests") if pool == "cpu-a" else (Verdict.PASSED, "")
    try_in_a(world, "c")
    world.run(7300)
    assert world.status.stage == "Holding"
    world.judge = bad_in_b
    world.until("RollingBack", 120)
    assert results(world)[:2] == ["RolledBack", "Withdrawn"]


def test_a_pool_of_a_later_wave_is_watched_until_its_first_weight() -> None:
    waves = {"strategy": {**ASKED["strategy"], "waves": [["cpu-a"], ["cpu-b"]]}}
    world = in_its_bake()
    world.update(spec("c", **(ASKED | waves)))
    world.run(60)
    beside = question_beside(world.meta, world.status)
    assert beside is not None
    assert [arm.pool for arm in beside.arms] == ["cpu-b"]
    for _ in range(200):
        if world.status.rollout.wave:
            break
        world.tick(25)
    assert world.status.rollout.weight == 50
    beside = question_beside(world.meta, world.status)
    assert beside is None or [arm.pool for arm in beside.arms] == []


def test_a_verified_release_is_alarmed_about_and_the_candidate_goes_on() -> None:
    world = verified()
    try_in_a(world, "d")
    world.judge = bad_in_b
    world.run(30)
    assert world.condition("Degraded") == ("True", "CheckFailed")
    assert "cpu-b" in world.message("Degraded")
    assert world.status.stage == "Progressing"
    world.judge = passing
    world.run(60)
    assert world.condition("Degraded") == ("False", "AsWanted")
    assert "PassedAgain" in reasons(world)


def test_a_first_release_that_fails_beside_a_fix_is_not_well_and_the_fix_goes_on() -> None:
    world = established(**ASKED)
    world.judge = passing
    try_in_a(world, "d")
    world.judge = bad_in_b
    world.tick()
    world.tick()
    assert world.status.stable.fault is not None
    assert world.status.stable.fault.pool == "cpu-b"
    assert world.status.stage == "Progressing"
    assert world.status.candidate.fault is not None, "it has the same pods there"


def test_an_outage_decides_nothing() -> None:
    world = in_its_bake()
    try_in_a(world, "c")
    world.judge = bad_in_b
    world.metrics_up = False
    world.run(120)
    assert world.status.stage == "Progressing"
    assert world.condition("Degraded") == ("False", "AsWanted")
