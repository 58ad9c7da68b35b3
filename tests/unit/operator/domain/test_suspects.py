"""What failed in another SamplerRollout stops here until a person has looked (R23)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sampler_rollouts.cluster.siblings import sibling
from sampler_rollouts.domain.decision.changes import image_in_words
from sampler_rollouts.domain.observation import Mark, Sibling
from sampler_rollouts.domain.resource import parse_spec
from sampler_rollouts.domain.tables import hash_of

from tests.unit.operator.domain.examining import FAILED
from tests.unit.operator.domain.story import reasons, rolling
from tests.unit.operator.domain.test_acts import answer, candidate, say, stable
from tests.unit.operator.domain.world import World, established, failing, image, passing, spec


def failed_elsewhere(letter: str = "b", **more: Any) -> World:
    world = rolling(letter, **more)
    world.judge = failing()
    world.until("Serving")
    assert world.condition("RolledBack") == ("True", "CheckFailed")
    return world


def shown(world: World) -> tuple[Any, ...]:
    """The namespace, with that world as the SamplerRollout ``other``."""
    return (placed(world),)


def placed(world: World, name: str = "other", namespace: str = "default") -> Sibling:
    """What that world says, as a SamplerRollout of some place."""
    return sibling({"metadata": {"name": name, "namespace": namespace}, "status": world.raw_status})


def test_the_image_that_failed_is_named_and_what_stable_had_too_is_not() -> None:
    held = failed_elsewhere().status.failed[0]
    assert [one.partition("@")[2][:12] for one in held.suspects] == ["sha256:bbbbb"]


def test_what_a_preflight_found_casts_it_too() -> None:
    asked = {"strategy": {"preflight": {}}}
    world = established(**asked)
    world.update(spec("b", **asked))
    world.examining.says["cpu-a"] = FAILED
    world.run(60)
    held = world.status.failed[0]
    assert held.reason == "PreflightFailed"
    assert [one.partition("@")[2][:12] for one in held.suspects] == ["sha256:bbbbb"]


def test_what_pods_did_casts_no_suspicion() -> None:
    world = rolling()
    release = candidate(world)
    say(world, "abort", release)
    assert world.status.held(release).suspects == []


def test_a_candidate_with_the_same_image_stops_and_says_why() -> None:
    elsewhere = failed_elsewhere()
    world = rolling()
    world.judge, world.siblings = passing, shown(elsewhere)
    world.run(300)
    assert world.status.stage == "Progressing"
    assert world.status.rollout.weight == 50
    assert world.condition("Suspect") == ("True", "FailedElsewhere")
    assert f"failed in SamplerRollout other (release {elsewhere.status.failed[0].hash})" in world.message("Suspect")
    assert "a person, who clears the suspicion" in world.message("Reconciling")
    assert reasons(world).count("Suspect") == 1


def test_a_candidate_that_was_suspect_before_it_began_gets_no_pods() -> None:
    world = established("a")
    world.judge, world.siblings = passing, shown(failed_elsewhere())
    world.update(spec("b"))
    world.run(300)
    assert world.status.rollout.weight == 0
    assert world.serving(world.revision_of("candidate")) == {}


def test_another_image_goes_on() -> None:
    world = rolling("c")
    world.judge, world.siblings = passing, shown(failed_elsewhere())
    world.until("Serving")
    assert world.condition("Suspect") == ("False", "NotMarked")


def test_what_serves_is_marked_and_serves_on() -> None:
    world = established("b")
    world.siblings = shown(failed_elsewhere())
    world.run(30)
    assert world.condition("Suspect") == ("True", "FailedElsewhere")
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_a_suspect_still_fails() -> None:
    world = rolling()
    world.siblings = shown(failed_elsewhere())
    world.run(30)
    world.judge = failing()
    world.until("RollingBack", 60)


@pytest.mark.parametrize("act", ["clear-suspect", "retry"])
def test_a_person_lets_it_go_on_and_the_same_mark_does_not_come_back(act: str) -> None:
    world = rolling()
    world.judge, world.siblings = passing, shown(failed_elsewhere())
    world.run(60)
    release = candidate(world)
    say(world, act, release, "another model")
    assert answer(world, act).done
    world.until("Serving")
    assert stable(world) == release
    assert world.condition("Suspect") == ("False", "NotMarked")


def test_a_rise_of_retry_generation_clears_too() -> None:
    world = rolling()
    world.judge, world.siblings = passing, shown(failed_elsewhere())
    world.run(60)
    world.update(spec("b", retryGeneration=1))
    world.until("Serving")
    assert world.condition("Suspect") == ("False", "NotMarked")


def test_the_mark_stays_while_it_is_tried_again_there_and_goes_when_it_passes() -> None:
    elsewhere, world = failed_elsewhere(), rolling()
    world.judge, world.siblings = passing, shown(elsewhere)
    world.run(60)
    elsewhere.judge = passing
    elsewhere.update(spec("b", retryGeneration=1))
    elsewhere.until("Progressing")
    world.siblings = shown(elsewhere)
    world.run(60)
    assert world.condition("Suspect") == ("True", "FailedElsewhere")
    elsewhere.until("Serving")
    world.siblings = shown(elsewhere)
    world.until("Serving")
    assert world.condition("Suspect") == ("False", "NotMarked")


@pytest.mark.parametrize("siblings", [None, ()], ids=["nobody can say", "it was deleted"])
def test_a_mark_outlives_who_made_it(siblings: Any) -> None:
    world = rolling()
    world.judge, world.siblings = passing, shown(failed_elsewhere())
    world.run(60)
    world.siblings = siblings
    world.run(300)
    assert world.condition("Suspect") == ("True", "FailedElsewhere")


def test_its_own_failure_is_no_suspicion() -> None:
    world = failed_elsewhere()
    world.siblings = (placed(world, world.name),)
    world.judge = passing
    world.update(spec("b", retryGeneration=1))
    world.until("Progressing")
    world.until("Serving")
    assert world.condition("Suspect") == ("False", "NotMarked")


def test_clear_suspect_is_refused_where_there_is_nothing() -> None:
    world = rolling()
    say(world, "clear-suspect", candidate(world))
    assert "nothing of it is suspect" in answer(world, "clear-suspect").message


@pytest.mark.parametrize("status", [None, 7, {"failed": 7}, {"failed": [7, {"suspects": 7}, {"suspects": [7]}]}])
def test_a_status_that_a_stranger_wrote_casts_none(status: Any) -> None:
    assert sibling({"metadata": {"name": "other"}, "status": status}).marks == ()


def test_a_suspect_in_stable_stops_no_fix_of_it() -> None:
    world = established("b")
    world.judge, world.siblings = passing, shown(failed_elsewhere())
    world.run(30)
    assert world.condition("Suspect") == ("True", "FailedElsewhere")
    world.update(spec("c"))
    world.until("Progressing")
    world.until("Serving")
    world.tick()
    assert world.status.history[0].result == "Promoted"


def test_the_deadline_names_the_suspicion() -> None:
    world = rolling()
    world.judge, world.siblings = passing, shown(failed_elsewhere())
    world.run(1900)
    assert "failed in SamplerRollout other" in world.message("Stalled")


def many(count: int, hour: int = 8) -> tuple[Sibling, ...]:
    """So many SamplerRollouts, in each of which image b failed."""
    at = datetime(2026, 11, 23, hour, tzinfo=UTC)
    mark = Mark("their-release", image_in_words(image("b")), at)
    return tuple(Sibling(("default", f"other-{number:02}"), "theirs", (mark,)) for number in range(count))


def test_a_build_that_failed_in_many_is_one_mark_said_once() -> None:
    world = rolling()
    world.judge, world.siblings = passing, many(40)
    world.run(60)
    assert reasons(world).count("Suspect") == 1
    assert len(world.status.suspicions) == 1
    assert "failed in SamplerRollout other-39 (release their-release) and in 39 more" in world.message("Suspect")
    say(world, "clear-suspect", candidate(world))
    world.until("Serving")
    assert reasons(world).count("Suspect") == 1
    assert world.condition("Suspect") == ("False", "NotMarked")


def test_what_was_cleared_is_marked_again_when_it_fails_anew() -> None:
    world = rolling()
    world.judge, world.siblings = passing, many(1)
    world.run(60)
    say(world, "clear-suspect", candidate(world))
    anew = replace(many(1, hour=9)[0].marks[0], release="theirs-2")
    world.siblings = (*many(1), Sibling(("default", "new"), "theirs", (anew,)))
    world.run(30)
    assert world.condition("Suspect") == ("True", "FailedElsewhere")
    assert "failed in SamplerRollout new (release theirs-2) and in 1 more" in world.message("Suspect")
    assert reasons(world).count("Suspect") == 2


def test_a_retry_of_what_failed_here_too_clears_what_is_known_elsewhere() -> None:
    world = failed_elsewhere()
    world.siblings = many(1)
    world.run(30)
    world.judge = passing
    world.update(spec("b", retryGeneration=1))
    world.until("Progressing")
    world.until("Serving")
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert "Suspect" not in reasons(world)


def test_a_first_release_that_is_not_well_casts_suspicion_on_its_image_alone() -> None:
    elsewhere = World(spec("b"))
    elsewhere.judge = failing()
    elsewhere.run(120)
    assert elsewhere.condition("Stalled") == ("True", "FirstReleaseFailed")
    world = rolling()
    world.judge, world.siblings = passing, shown(elsewhere)
    world.run(300)
    assert world.status.stage == "Progressing"
    assert [one.what for one in world.status.suspicions] == [image_in_words(image("b"))]
    elsewhere.judge = passing
    elsewhere.update(spec("b", retryGeneration=1))
    elsewhere.run(300)
    assert elsewhere.condition("Ready") == ("True", "FullTraffic")
    world.siblings = shown(elsewhere)
    world.until("Serving")
    assert world.condition("Suspect") == ("False", "NotMarked")


def test_so_does_one_whose_preflight_failed() -> None:
    asked = {"strategy": {"preflight": {}}}
    elsewhere = World(spec("b", **asked))
    elsewhere.examining.says["cpu-a"] = FAILED
    elsewhere.run(60)
    assert elsewhere.condition("Stalled") == ("True", "FirstReleaseFailed")
    world = rolling()
    world.judge, world.siblings = passing, shown(elsewhere)
    world.run(30)
    assert [one.what for one in world.status.suspicions] == [image_in_words(image("b"))]


def test_a_first_release_that_is_suspect_gets_no_pods_until_a_person_has_looked() -> None:
    world = World(spec("b"))
    world.judge, world.siblings = passing, shown(failed_elsewhere())
    world.run(60)
    assert not world.pods
    assert world.condition("Suspect") == ("True", "FailedElsewhere")
    assert "waiting for a person, who clears the suspicion" in world.message("Reconciling")
    say(world, "clear-suspect", release_hash(world))
    world.until("Serving")
    assert world.condition("Ready") == ("True", "FullTraffic")


def release_hash(world: World) -> str:
    """Of what the spec asks for."""
    asked = parse_spec(world.spec, world.name)
    return hash_of(asked)
