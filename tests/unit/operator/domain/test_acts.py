"""What people say by annotation: once, for the release that is meant, or refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.domain.act import Act, Acts
from sampler_rollouts.domain.resource import ACT_PREFIX

from tests.unit.operator.domain.story import holding, reasons, results, rolling
from tests.unit.operator.domain.world import World, established, passing, spec

BAKE: dict[str, Any] = {"strategy": {"steps": [{"weight": 50, "minDuration": "5s"}], "bakeTime": "2h"}}


def say(world: World, act: str, release: str, said: str = "") -> None:
    world.annotations[ACT_PREFIX + act] = release + (f":{said}" if said else "")
    world.tick()


def answer(world: World, act: str) -> Act:
    found = world.status.act(Acts(act))
    assert found is not None
    return found


def candidate(world: World) -> str:
    assert world.status.candidate is not None
    return world.status.candidate.hash


def stable(world: World) -> str:
    assert world.status.stable is not None
    return world.status.stable.hash


def promoted() -> World:
    world = established(**BAKE)
    world.judge = passing
    world.update(spec("b", **BAKE))
    world.until("Progressing")
    world.until("Serving")
    world.tick()
    assert results(world)[0] == "Promoted"
    return world


def test_an_abort_takes_the_candidate_back_and_holds_it() -> None:
    world = rolling()
    release = candidate(world)
    say(world, "abort", release, "alice, odd answers")
    assert world.status.stage == "RollingBack"
    held = world.status.held(release)
    assert held is not None
    assert held.reason == "ByPerson"
    assert "a person asked for it (self-reported: alice, odd answers)" in held.message
    world.until("Serving")
    assert world.condition("RolledBack") == ("True", "ByPerson")
    assert (answer(world, "abort").done, answer(world, "abort").said) == (True, "alice, odd answers")


def test_what_holds_can_be_aborted() -> None:
    world = holding()
    say(world, "abort", candidate(world))
    assert world.status.stage == "RollingBack"


def test_a_restored_release_can_be_aborted() -> None:
    world = promoted()
    world.update(spec("a", **BAKE))
    world.tick()
    assert world.status.stage == "Restoring"
    say(world, "rollback", candidate(world))
    assert world.status.stage == "RollingBack"


def test_what_serves_is_taken_back_in_its_bake() -> None:
    world = promoted()
    before, served = world.status.previous, stable(world)
    assert before is not None
    say(world, "rollback", served, "carol")
    assert world.status.stage == "RollingBack"
    world.until("Serving")
    assert stable(world) == before.hash
    assert world.status.held(served)
    world.run(200)
    assert stable(world) == before.hash


@pytest.mark.parametrize("act", ["abort", "rollback", "pause", "promote", "retry"])
def test_an_act_for_another_release_is_refused_once_with_a_reason(act: str) -> None:
    world = rolling()
    before = world.status.stage, candidate(world)
    say(world, act, "0123456789", "dave")
    world.run(20)
    assert (world.status.stage, candidate(world)) == before
    assert not answer(world, act).done
    assert f"Refused to {act} release 0123456789" in answer(world, act).message
    refused = [event for event in world.events if event.reason == "ActRefused"]
    assert len(refused) == 1
    assert refused[0].type == "Warning"
    assert "(self-reported: dave)" in refused[0].message


@pytest.mark.parametrize("act", ["abort", "rollback", "pause", "resume", "promote", "retry"])
def test_an_object_that_comes_with_a_word_does_not_obey_it(act: str) -> None:
    """A manifest that was copied with its annotations."""
    world = World(spec("a"))
    world.annotations[ACT_PREFIX + act] = "0123456789:once"
    world.until("Serving")
    assert not answer(world, act).done


def test_a_word_that_was_used_does_not_end_the_next_try() -> None:
    world = rolling()
    release = candidate(world)
    world.judge = passing
    say(world, "abort", release)
    world.until("Serving")
    say(world, "retry", release, "erin, it was the balancer")
    assert world.status.stage == "Progressing"
    assert not world.status.held(release)
    world.until("Serving")
    assert stable(world) == release
    assert reasons(world).count("Retried") == 1


def test_retry_during_a_rollback_is_heard_after_it() -> None:
    world = rolling()
    release = candidate(world)
    world.annotations[ACT_PREFIX + "retry"] = release
    say(world, "abort", release)
    assert world.status.stage == "RollingBack"
    assert world.status.held(release)
    world.until("Progressing")
    assert answer(world, "retry").done


def test_retry_of_what_holds_starts_again() -> None:
    world = holding()
    say(world, "retry", candidate(world))
    assert world.status.stage == "Withdrawing"
    world.until("Progressing")


def test_retry_of_what_goes_well_is_refused() -> None:
    world = rolling()
    say(world, "retry", candidate(world))
    assert "nothing to try again" in answer(world, "retry").message
    assert world.status.stage == "Progressing"


def test_a_pause_stops_the_clocks_until_it_is_resumed() -> None:
    world = rolling()
    world.judge = passing
    release, weight = candidate(world), world.status.rollout.weight
    say(world, "pause", release, "bob, looking")
    world.run(4000)
    assert world.condition("Reconciling") == ("True", "Paused")
    assert "a person paused it (self-reported: bob, looking)" in world.message("Reconciling")
    assert world.status.rollout.weight == weight
    say(world, "resume", "0123456789")
    assert not answer(world, "resume").done
    say(world, "resume", release)
    assert world.status.pause is None
    world.until("Serving")
    assert results(world)[0] == "Promoted"


def test_a_pause_ends_with_the_release_that_it_is_of() -> None:
    world = rolling()
    say(world, "pause", candidate(world))
    world.update(spec("c"))
    world.run(200)
    assert world.status.pause is None
    assert world.condition("Reconciling") == ("True", "Progressing")


def test_an_abort_is_heard_while_paused_and_beside_a_promote() -> None:
    world = rolling()
    release = candidate(world)
    world.update(spec("b", paused=True))
    world.annotations[ACT_PREFIX + "promote"] = release
    world.annotations[ACT_PREFIX + "resume"] = release
    say(world, "abort", release)
    assert world.status.stage == "RollingBack"


def test_what_is_verified_has_nothing_to_go_back_to() -> None:
    world = established()
    world.run(200)
    say(world, "rollback", stable(world))
    assert "no release is kept to go back to" in answer(world, "rollback").message
    assert world.status.stage == "Serving"


def test_what_a_first_release_is_cannot_be_aborted() -> None:
    world = World(spec("a"))
    world.tick()
    say(world, "abort", candidate(world))
    assert "ask for another in the spec" in answer(world, "abort").message
    world.until("Serving")


def test_acts_do_not_grow_and_long_words_are_cut() -> None:
    world = rolling()
    for number in range(20):
        say(world, "retry", candidate(world), f"{number} {'x' * 1000}")
    assert len(world.status.acts) == 1
    assert len(answer(world, "retry").value) == 253
    assert answer(world, "retry").said.startswith("19 ")


@pytest.mark.parametrize("act", ["abort", "rollback"])
def test_a_first_release_has_nothing_to_go_back_to(act: str) -> None:
    world = World(spec("a"))
    world.tick()
    assert world.status.stage == "Establishing"
    say(world, act, candidate(world))
    assert not answer(world, act).done
    assert "it has no stable release to go back to: ask for another in the spec" in answer(world, act).message
