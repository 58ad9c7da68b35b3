"""A check above its limit in both releases, since the candidate has traffic: that is heeded at once (R12)."""

from __future__ import annotations

import pytest
from sampler_rollouts.domain.evidence.look import Verdict
from sampler_rollouts.domain.evidence.samples import Question

from tests.unit.operator.domain.story import bad_but, reasons, rolling
from tests.unit.operator.domain.world import World, established, failing, passing, spec


def shared(pool: str, check: str, asked: Question) -> tuple[Verdict, str]:
    """Of both releases, where there are two; of what serves alone a failure."""
    if check != "errors":
        return Verdict.INCONCLUSIVE, "TooFewRequests"
    compared = any(arm.compared for arm in asked.arms)
    return (Verdict.INCONCLUSIVE, "SharedDegradation") if compared else (Verdict.FAILED, "")


def lets_go_on(world: World, why: str = "") -> None:
    assert world.status.candidate is not None
    world.annotations["samplerrollouts.io/promote"] = f"{world.status.candidate.hash}:{why}"


def test_it_holds_at_once_and_the_sentence_names_this_rollout() -> None:
    world = rolling()
    release, weight = world.status.candidate.hash, world.status.rollout.weight
    world.judge = shared
    world.tick()
    assert (world.status.stage, world.status.rollout.weight) == ("Holding", weight)
    assert world.condition("Stalled") == ("True", "SharedDegradation")
    said = world.message("Stalled")
    assert f"Release {release} holds at weight 50 in pool cpu-a: since its first traffic check errors is above" in said
    assert "9 of 31 bad here, 0 of 0 in stable" in said
    assert "samplerrollouts.io/promote=" in said
    assert world.condition("Degraded") == ("True", "SharedDegradation")
    assert reasons(world).count("SharedDegradation") == 1
    world.metrics_up = False
    world.run(60)
    assert world.condition("Degraded") == ("True", "SharedDegradation"), "an outage takes nothing back"
    world.metrics_up = True
    world.judge = passing
    world.run(300)
    assert world.status.stage == "Holding", "whether it was this rollout is a person's to say"
    assert world.condition("Degraded") == ("False", "AsWanted")
    lets_go_on(world)
    world.until("Serving")


def test_where_the_author_wants_a_rollback_it_is_rolled_back_and_casts_no_suspicion() -> None:
    world = rolling(rollback={"onInconclusive": "Rollback"})
    world.judge = shared
    world.tick()
    assert world.status.stage == "RollingBack"
    assert world.condition("RolledBack") == ("True", "SharedDegradation")
    assert [(one.reason, one.suspects) for one in world.status.failed] == [("SharedDegradation", [])]


@pytest.mark.parametrize("verified", [True, False])
def test_what_was_known_against_stable_before_only_stops_the_weight(verified: bool) -> None:
    world = established()
    if verified:
        world.judge = passing
        world.run(400)
    world.judge = failing("errors")
    world.run(130)
    assert world.condition("Degraded") == ("True", "CheckFailed" if verified else "FirstReleaseFailed")
    world.update(spec("b"))
    world.judge = shared
    world.run(300)
    assert (world.status.stage, world.status.rollout.weight) == ("Progressing", 50)
    assert world.condition("Degraded")[0] == "True"
    world.judge = lambda pool, check, asked: (
        (Verdict.PASSED if check == "errors" else Verdict.INCONCLUSIVE),
        "" if check == "errors" else "TooFewRequests",
    )
    world.tick()
    world.judge = shared
    world.tick()
    assert world.status.stage == "Holding", "it was over, and began again beside the candidate"


def test_what_cannot_be_compared_yet_stops_the_weight_and_fails_once_it_can() -> None:
    """Few of stable's requests: neither is the fault shared nor is the candidate shown to be worse."""
    world = rolling()
    old, weight = world.status.stable.hash, world.status.rollout.weight
    world.judge = lambda pool, check, asked: (Verdict.INCONCLUSIVE, "UnconfirmedAgainstStable")
    world.run(100)
    assert (world.status.stage, world.status.rollout.weight) == ("Progressing", weight)
    assert world.condition("Degraded") == ("False", "AsWanted")
    assert "check errors, which is above its limit, to be compared with stable" in world.message("Ready")
    world.judge = bad_but(*(item.revision for item in world.status.stable.pools))
    world.tick()
    assert (world.status.stage, world.status.stable.hash) == ("RollingBack", old)
    assert world.condition("RolledBack") == ("True", "CheckFailed")


def test_another_check_than_the_one_that_was_known_is_heeded() -> None:
    world = established()
    world.judge = failing("unexpected-script")
    world.run(20)
    world.update(spec("b"))
    world.judge = shared
    world.run(60)
    assert world.condition("Stalled") == ("True", "SharedDegradation")


def test_what_a_person_has_let_pass_holds_no_second_time_until_it_was_over() -> None:
    world = rolling()
    world.judge = shared
    world.tick()
    lets_go_on(world, "the upstream model is out")
    world.metrics_up = False
    world.tick()
    world.metrics_up = True
    world.run(200)
    assert (world.status.stage, world.status.rollout.weight) == ("Progressing", 50)
    assert "SharedDegradation" in world.message("Ready"), "no weight is raised"
    world.judge = lambda pool, check, asked: (Verdict.PASSED, "") if check == "errors" else shared(pool, check, asked)
    world.tick()
    world.judge = shared
    world.tick()
    assert world.status.stage == "Holding"


def test_it_is_heeded_while_paused_too() -> None:
    """Only clocks stand while paused."""
    world = rolling()
    world.update(spec("b", paused=True))
    world.judge = shared
    world.tick()
    assert world.condition("Stalled") == ("True", "SharedDegradation")
