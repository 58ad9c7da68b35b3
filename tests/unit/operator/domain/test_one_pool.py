"""``rollback.scope: Pool``: what fails in one pool goes back there alone (R18, R19)."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.domain.evidence.look import Verdict
from sampler_rollouts.domain.evidence.samples import Question

from tests.unit.operator.domain.story import bad, holding, reasons, results, rolling
from tests.unit.operator.domain.world import Judge, World, established, failing, image, passing, spec

ONE: dict[str, Any] = {"rollback": {"scope": "Pool"}}
BY_WAVES: dict[str, Any] = ONE | {"strategy": {"waves": [["cpu-a"], ["cpu-b"]]}}


def failing_in(*pools: str) -> Judge:
    def judge(pool: str, check: str, asked: Question) -> tuple[Verdict, str]:
        wrong = pool in pools and check == "unexpected-script"
        return (Verdict.FAILED if wrong else Verdict.PASSED), ""

    return judge


def taken_back(**more: Any) -> World:
    """Pool cpu-a has failed beside cpu-b, which goes on."""
    world = rolling(**(ONE | more))
    world.judge = failing_in("cpu-a")
    world.tick()
    world.judge = passing
    return world


def test_the_pool_that_fails_goes_back_and_the_other_goes_on() -> None:
    world = rolling(**ONE)
    new, old = world.revision_of("candidate"), world.revision_of("stable")
    world.judge = failing_in("cpu-a")
    world.tick()
    assert world.status.stage == "Progressing"
    assert world.serving(new).keys() == {"cpu-b"}
    assert world.condition("RolledBack") == ("True", "CheckFailed")
    assert "in pool cpu-a at weight 50" in world.message("RolledBack")
    world.judge = passing
    world.run(300)
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}
    assert world.serving(new) == {"cpu-b": 2}
    assert world.serving(old) == {"cpu-a": 2}
    assert results(world) == ["Promoted", "RolledBack", "Established"]
    assert world.condition("Stalled") == ("True", "RolledBack")
    assert "cpu-a" in world.message("Stalled")


def test_what_serves_then_has_a_hash_of_its_own() -> None:
    """A release with the same pods that a spec asks for is none other: nothing moves, and it is ready."""
    world = taken_back()
    asked = world.status.rollout and world.status.rollout.release
    world.run(300)
    assert world.status.stable is not None
    assert world.status.stable.hash != asked
    same = spec("b", **ONE)
    same["pools"][0]["image"] = image("a")
    before = world.serving()
    world.update(same)
    world.run(30)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert world.serving() == before
    assert len(results(world)) == 3


def test_no_other_pool_gets_more_before_it_has_left() -> None:
    """Stable's pods do not come up where it had gone already: the bad ones that serve stay, and nothing goes on."""
    world = established(replicas=4, **BY_WAVES)
    world.judge = passing
    world.update(spec("b", replicas=4, **BY_WAVES))
    new = world.revision_of("candidate") if world.status.candidate else ""
    for _ in range(200):
        world.tick()
        new = world.revision_of("candidate") if world.status.candidate else new
        if world.serving(new).get("cpu-b"):
            break
    world.judge = failing_in("cpu-a")
    world.tick()
    assert world.status.rollout is not None
    assert world.status.rollout.waves == [["cpu-b"]]
    weight = world.status.rollout.weight
    world.judge = passing
    world.run(300)
    assert world.serving(new) == {"cpu-b": 4}
    assert weight == 50


@pytest.mark.parametrize("reason", ["abort", "other", "stable"])
def test_all_of_it_leaves_when_it_is_not_to_stay(reason: str) -> None:
    world = taken_back()
    new = world.revision_of("candidate", "cpu-b")
    if reason == "abort":
        assert world.status.rollout is not None
        world.annotations["samplerrollouts.io/abort"] = world.status.rollout.release
    else:
        world.update(spec("c" if reason == "other" else "a", **ONE))
    world.run(300)
    assert world.serving(new) == {}
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}


def test_a_retry_moves_the_pool_that_lacks_it_alone() -> None:
    world = taken_back()
    new = world.revision_of("candidate", "cpu-b")
    world.run(300)
    world.update(spec("b", retryGeneration=1, **ONE))
    world.tick()
    assert world.status.rollout is not None
    assert world.status.rollout.waves == [["cpu-a"]]
    world.run(300)
    assert world.serving(new).get("cpu-b") == 2
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert world.condition("RolledBack") == ("False", "NotHeld")


def test_a_retry_meanwhile_is_heard_after_the_others() -> None:
    world = taken_back()
    world.update(spec("b", retryGeneration=1, **ONE))
    world.tick()
    assert world.status.rollout is not None
    assert world.status.rollout.waves == [["cpu-b"]]
    world.run(600)
    assert results(world)[:2] == ["Promoted", "Promoted"]
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_what_holds_goes_on_without_the_pool() -> None:
    world = holding(**ONE)
    world.judge = failing_in("cpu-a")
    world.tick()
    assert reasons(world).count("RolledBack") == 1
    assert world.status.rollout is not None
    assert world.status.rollout.waves == [["cpu-b"]]


def test_a_release_of_which_nothing_is_left_is_rolled_back() -> None:
    world = rolling(**ONE)
    world.judge = failing_in("cpu-a", "cpu-b")
    world.run(60)
    assert world.status.stage == "Serving"
    assert results(world) == ["RolledBack", "RolledBack", "Established"]
    assert len(world.status.failed) == 1
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}


def test_by_default_the_whole_release_goes_back() -> None:
    world = rolling()
    world.judge = failing()
    world.tick()
    assert world.status.stage == "RollingBack"


def test_in_the_bake_the_pool_that_fails_goes_back_and_later_the_other() -> None:
    world = established(**ONE)
    world.judge = passing
    world.update(spec("b", **ONE))
    world.run(300)
    new, old = world.revision_of("stable"), image("a")
    assert world.condition("Ready") == ("True", "FullTraffic")
    world.judge = bad(new)
    world.run(60)
    world.judge = passing
    assert world.serving(new) == {"cpu-b": 2}, old
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}
    assert world.condition("Stalled") == ("True", "RolledBack")
    world.judge = failing_in("cpu-b")
    world.run(60)
    assert world.serving(new) == {}
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}


def test_the_scope_is_that_of_when_it_started() -> None:
    world = rolling(**ONE)
    world.update(spec("b"))
    world.tick()
    assert world.condition("PlanDrift") == ("True", "SpecChanged")
    assert "rollback.scope" in world.message("PlanDrift")
    world.judge = failing()
    world.tick()
    assert world.status.stage == "Progressing"


def test_a_pool_that_is_taken_back_is_no_drift() -> None:
    assert taken_back().condition("PlanDrift") == ("False", "AsPlanned")
