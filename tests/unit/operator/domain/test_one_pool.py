"""``rollback.scope: Pool``: what fails in one pool goes back there alone (R18, R19)."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.domain.evidence.look import Verdict
from sampler_rollouts.domain.evidence.samples import Question

from tests.unit.operator.domain.story import bad, holding, reasons, results, rolling
from tests.unit.operator.domain.world import Judge, World, established, failing, image, passing, pool, spec

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


def two(a: str, b: str, **more: Any) -> dict[str, Any]:
    """A build for each pool."""
    return spec(**(ONE | more)) | {"pools": [pool("cpu-a", a), pool("cpu-b", b)]}


def started(a: str, b: str, **more: Any) -> World:
    """Both builds are beside stable's, and pass."""
    world = established(**(ONE | more))
    world.judge = passing
    world.update(two(a, b, **more))
    while world.serving(world.revision_of("candidate")).get("cpu-a", 0) < 1:
        world.tick()
    return world


def second_wave() -> World:
    """Pool cpu-a has gone over, cpu-b is at its first weight."""
    world = established(replicas=4, **BY_WAVES)
    world.judge = passing
    world.update(spec("b", replicas=4, **BY_WAVES))
    while not world.serving(world.revision_of("candidate", "cpu-b")).get("cpu-b"):
        world.tick()
    return world


def nothing_comes_up() -> World:
    """Then cpu-a fails, where stable's pods do not come up."""
    world = second_wave()
    world.never_ready.add(world.revision_of("stable"))
    world.judge = failing_in("cpu-a")
    world.tick()
    world.judge = passing
    world.run(200)
    return world


def test_where_stable_does_not_come_up_that_is_told() -> None:
    world = nothing_comes_up()
    assert world.status.stage == "Progressing"
    assert world.serving()["cpu-a"] == 2
    assert world.condition("Degraded") == ("True", "StableNotReady")
    assert "does not come up in pool cpu-a" in world.message("Degraded")


def test_a_fix_is_heard_where_stable_does_not_come_up() -> None:
    """The rest of the release leaves too; stable serves well in the other pool, so that a person has the last word."""
    world = nothing_comes_up()
    world.update(spec("c", replicas=4, **BY_WAVES))
    world.run(300)
    assert world.condition("Stalled") == ("True", "StableNotReady")
    world.annotations["samplerrollouts.io/promote"] = world.message("Stalled").rpartition("=")[2].rstrip(".")
    world.run(200)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert world.serving() == world.serving(world.revision_of("stable")) == {"cpu-a": 4, "cpu-b": 4}


def test_what_was_rejected_does_not_come_by_the_way() -> None:
    """Without the pool it would be a release that has failed before (R6): all of it goes back."""
    world = started("b", "a")
    world.judge = failing_in("cpu-a")
    world.run(60)
    assert [held.reason for held in world.status.failed] == ["CheckFailed"]
    world.judge = passing
    world.update(two("b", "c"))
    world.run(25)
    world.judge = failing_in("cpu-b")
    world.tick()
    assert world.status.stage == "RollingBack"


def test_no_class_loses_its_servers() -> None:
    """Two pools change places: one of them alone would leave a class to nobody."""
    classes = {"contextClasses": [{"name": "short", "maxTokens": 1000}, {"name": "long", "maxTokens": 9000}]}

    def placed(a: str, b: str) -> dict[str, Any]:
        pools = [pool("cpu-a", contextClass=a), pool("cpu-b", contextClass=b)]
        return spec(**ONE) | {"routing": classes, "pools": pools}

    world = World(placed("short", "long"))
    world.until("Serving")
    world.judge = passing
    world.update(placed("long", "short"))
    world.run(25)
    assert world.status.stage == "Progressing"
    world.judge = failing_in("cpu-a")
    world.tick()
    assert world.status.stage == "RollingBack"


def test_what_the_others_have_shown_begins_no_second_time() -> None:
    """A second beginning would be a second chance of a false alarm (R15)."""
    world = second_wave()
    before = world.asked(world.status)
    world.judge = failing_in("cpu-a")
    world.tick()
    world.judge = passing
    after = world.asked(world.status)
    assert before is not None
    assert after is not None
    assert [arm.pool for arm in after.arms] == ["cpu-b"]
    assert after.since == before.since


def test_each_sentence_tells_of_the_pools_that_it_is_about() -> None:
    world = started("b", "c")
    world.judge = failing_in("cpu-b")
    world.tick()
    world.judge = passing
    asked = world.status.rollout and world.status.rollout.release
    world.run(200)
    promoted, back, _ = world.status.history
    assert "bbbb" not in back.changes
    assert "bbbb" in promoted.changes
    assert "cccc" not in promoted.changes
    assert f"full traffic in pool cpu-a; it is what is left of release {asked}" in promoted.message


def first_wave_in_the_bake() -> World:
    """Stable is in its bake, and its candidate has all of pool cpu-a, where stable's pods do not come up any more."""
    world = established(replicas=4, **BY_WAVES)
    world.judge = passing
    world.update(spec("b", replicas=4, **BY_WAVES))
    world.run(200)
    serves = world.revision_of("stable")
    assert serves == world.revision_of("stable", "cpu-b")
    assert world.condition("Verified") == ("False", "Baking")
    world.update(spec("c", replicas=4, **BY_WAVES))
    while world.serving(serves).get("cpu-a"):
        world.tick()
    world.never_ready.add(serves)
    return world


def test_what_a_candidate_has_failed_is_not_laid_at_stables_door() -> None:
    """Nothing of the candidate has any weight then, so that the next look is about stable: this one was not."""
    world = first_wave_in_the_bake()
    before = world.revision_of("stable")
    world.judge = failing_in("cpu-a")
    world.tick()
    assert world.status.stage == "Progressing"
    assert world.revision_of("stable") == before


def test_what_is_on_its_way_out_serves_on_when_stable_is_taken_back_too() -> None:
    """Stable's pods are not ready yet in the pool from which the candidate was taken back: its own stay until then."""
    world = first_wave_in_the_bake()
    world.judge = failing_in("cpu-a")
    world.tick()
    world.judge = failing_in("cpu-b")
    world.tick()
    assert world.status.stage == "RollingBack"
    world.judge = passing
    world.run(20)
    assert world.serving()["cpu-a"] >= 2
