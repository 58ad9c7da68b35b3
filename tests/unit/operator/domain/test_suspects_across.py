"""What failed in another namespace stops here where the administrator says so, and only there (R23)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampler_rollouts.domain.decision.changes import image_in_words
from sampler_rollouts.domain.observation import Mark, Sibling
from sampler_rollouts.domain.together import ALONE, Suspects, Together

from tests.support.examples import examples
from tests.unit.operator.domain.story import reasons, rolling
from tests.unit.operator.domain.test_acts import candidate, say
from tests.unit.operator.domain.test_suspects import failed_elsewhere, placed
from tests.unit.operator.domain.world import World, image, passing, spec

ACROSS = Suspects(across_namespaces=("default", "team-*"))
AT = datetime(2026, 11, 23, 8, tzinfo=UTC)


def suspecting(*siblings: Sibling, suspects: Suspects = ACROSS) -> World:
    world = rolling()
    world.judge, world.siblings, world.suspects = passing, siblings, suspects
    world.run(60)
    return world


def failing_in(namespace: str, name: str = "demo", hour: int = 0, release: str = "theirs") -> Sibling:
    mark = Mark(release, image_in_words(image("b")), AT + timedelta(hours=hour))
    return Sibling((namespace, name), "what serves", (mark,))


def is_suspect(world: World) -> bool:
    return world.condition("Suspect") == ("True", "FailedElsewhere")


def test_by_default_what_failed_in_another_namespace_is_not_heeded() -> None:
    world = suspecting(placed(failed_elsewhere(), namespace="team-b"), suspects=ALONE)
    world.until("Serving")
    assert "Suspect" not in reasons(world)


def test_it_stops_a_candidate_and_the_message_names_the_namespace() -> None:
    elsewhere = failed_elsewhere()
    world = suspecting(placed(elsewhere, "search", "team-b"))
    world.run(60)
    assert world.status.stage == "Progressing"
    assert is_suspect(world)
    told = f"failed in SamplerRollout team-b/search (release {elsewhere.status.failed[0].hash})"
    assert told in world.message("Suspect")
    assert told in world.message("Reconciling")
    assert [event for event in world.events if event.reason == "Suspect" and told in event.message]


@pytest.mark.parametrize("namespace", ["other", "team", "defaults"])
def test_namespaces_that_are_not_named_are_not_heeded(namespace: str) -> None:
    assert not is_suspect(suspecting(failing_in(namespace)))


def test_one_that_is_not_named_heeds_itself_alone() -> None:
    named = Suspects(across_namespaces=("team-*",))
    assert not is_suspect(suspecting(failing_in("team-b"), suspects=named))
    assert is_suspect(suspecting(failing_in("default", "other"), suspects=named))


def test_one_of_its_own_name_in_another_namespace_is_another_one() -> None:
    elsewhere = failed_elsewhere()
    world = suspecting(placed(elsewhere, "demo", "team-b"))
    assert world.name == "demo"
    assert "failed in SamplerRollout team-b/demo " in world.message("Suspect")


def test_of_two_of_one_name_the_one_that_marked_it_takes_the_mark_back() -> None:
    """Both failed as the same release; what passes in the other one's namespace says nothing here."""
    elsewhere = failed_elsewhere()
    world = suspecting(placed(elsewhere, "search", "team-b"))
    release = elsewhere.status.failed[0].hash
    passed = [Sibling((namespace, "search"), release) for namespace in ("default", "team-c")]
    again = Sibling(("team-b", "search"), "what serves")
    world.siblings = (again, *passed)
    world.run(60)
    assert is_suspect(world)
    world.siblings = (replace(again, serves=release), *passed)
    world.until("Serving")
    assert world.condition("Suspect") == ("False", "NotMarked")


def test_how_many_more_counts_those_of_one_name_apart() -> None:
    world = suspecting(*(failing_in(namespace) for namespace in ("team-b", "team-c", "team-d")))
    assert "failed in SamplerRollout team-d/demo (release theirs) and in 2 more" in world.message("Suspect")
    assert reasons(world).count("Suspect") == 1


def test_its_own_failure_is_none_in_whatever_namespaces_are_heeded() -> None:
    assert not is_suspect(suspecting(failing_in("default")))


@pytest.mark.parametrize("act", ["clear-suspect", "retry"])
def test_a_person_here_lets_it_go_on(act: str) -> None:
    world = suspecting(failing_in("team-b"))
    assert is_suspect(world)
    say(world, act, candidate(world), "another model")
    world.until("Serving")
    assert world.condition("Suspect") == ("False", "NotMarked")


@pytest.mark.parametrize("siblings", [None, ()], ids=["nobody can say", "it was deleted"])
def test_the_mark_outlives_who_made_it(siblings: Any) -> None:
    world = suspecting(failing_in("team-b"))
    world.siblings = siblings
    world.run(120)
    assert is_suspect(world)


@pytest.mark.parametrize("narrowed", [ALONE, Suspects(across_namespaces=("default", "team-c"))])
def test_when_the_administrator_takes_it_back_the_mark_goes(narrowed: Suspects) -> None:
    world = suspecting(failing_in("team-b"))
    assert is_suspect(world)
    world.suspects = narrowed
    world.until("Serving")
    assert world.condition("Suspect") == ("False", "NotMarked")


def test_then_what_failed_in_its_own_namespace_is_still_heeded() -> None:
    world = suspecting(failing_in("team-b", hour=1), failing_in("default", "other"))
    assert "team-b/demo (release theirs) and in 1 more" in world.message("Suspect")
    world.suspects = ALONE
    world.run(60)
    assert world.message("Suspect").endswith("failed in SamplerRollout other (release theirs)")
    assert reasons(world).count("Suspect") == 1


@pytest.mark.parametrize("unseen", ["not heeded for a while", "not read for a while"])
def test_what_a_person_cleared_does_not_come_back_with_what_was_not_seen_for_a_while(unseen: str) -> None:
    both = failing_in("team-b", hour=1), failing_in("default", "other")
    world = suspecting(*both)
    say(world, "clear-suspect", candidate(world))
    if unseen.startswith("not heeded"):
        world.suspects = ALONE
    else:
        world.siblings = both[1:]
    world.run(10)
    world.siblings, world.suspects = both, ACROSS
    world.until("Serving")
    assert reasons(world).count("Suspect") == 1
    world.siblings = (*both, failing_in("team-c", hour=2))
    world.run(30)
    assert is_suspect(world), "it has failed anew"


def test_a_mark_of_before_is_read_as_one_of_its_own_namespace() -> None:
    """Earlier versions wrote plain names, and knew no other namespace."""
    world = suspecting(failing_in("default", "other"))
    assert [one.rollout for one in world.status.suspicions] == ["other"]
    world.siblings = (Sibling(("team-b", "other"), "theirs"), Sibling(("default", "other"), "what serves"))
    world.run(30)
    assert is_suspect(world)
    world.siblings = (Sibling(("default", "other"), "theirs"),)
    world.run(30)
    assert not is_suspect(world)


def test_a_first_release_waits_too() -> None:
    world = World(spec("b"))
    world.judge, world.siblings, world.suspects = passing, (failing_in("team-b"),), ACROSS
    world.run(60)
    assert not world.pods
    assert "team-b/demo" in world.message("Reconciling")


NAMESPACES = st.sampled_from(["default", "a", "ab", "ab-1", "b", "team-b", "team-c"])
NAMED = st.lists(st.sampled_from(["*", "default", "a", "a*", "ab-*", "team-*", "team-b", "gone"]), max_size=3)
WATCHED = st.lists(NAMESPACES, max_size=3, unique=True)


@given(NAMED, WATCHED, NAMESPACES, NAMESPACES, NAMESPACES)
@settings(max_examples=examples(200), deadline=None)
def test_who_heeds_is_heeded(named: list[str], watched: list[str], one: str, other: str, third: str) -> None:
    """It is an equivalence, of the watched namespaces alone; each is in exactly one of its classes."""
    suspects = Suspects(across_namespaces=tuple(named))
    mine = suspects.together(one, watched)
    assert one in mine
    assert (other in mine) == (one in suspects.together(other, watched)) == (mine == suspects.together(other, watched))
    if other in mine and third in suspects.together(other, watched):
        assert third in mine
    if other in mine and other != one:
        assert not watched or {one, other} <= set(watched)
    if mine.names is not None:
        assert (other in mine) == (other in mine.names)


PLACES = st.tuples(st.sampled_from(["default", "team-b", "other"]), st.sampled_from(["demo", "search"]))
SAID = st.builds(
    lambda place, serves, failed, hour: Sibling(
        place, serves, tuple(Mark(one, image_in_words(image("b")), AT + timedelta(hours=hour)) for one in failed)
    ),
    PLACES,
    st.sampled_from(["r1", "r2"]),
    st.lists(st.sampled_from(["r1", "r2", "r3"]), max_size=2, unique=True),
    st.integers(0, 3),
)
LISTINGS = st.lists(st.lists(SAID, max_size=4, unique_by=lambda one: one.place), min_size=1, max_size=4)


@pytest.mark.long
@given(LISTINGS)
@settings(max_examples=examples(10), deadline=None)
def test_a_namespace_by_itself_never_hears_of_others(listings: list[list[Sibling]]) -> None:
    """With what other namespaces say, and without: nothing of the status differs."""
    worlds = [rolling(), rolling()]
    for listing in listings:
        for world, said in zip(worlds, (listing, [one for one in listing if one.place[0] == "default"]), strict=True):
            world.siblings = tuple(said)
            world.tick()
    assert worlds[0].raw_status == worlds[1].raw_status


@pytest.mark.long
@given(LISTINGS)
@settings(max_examples=examples(10), deadline=None)
def test_a_mark_is_never_of_itself_nor_of_what_is_not_heeded_and_one_is_there_if_anything_failed(
    listings: list[list[Sibling]],
) -> None:
    world = rolling()
    world.suspects = ACROSS
    for listing in listings:
        world.siblings = tuple(listing)
        world.tick()
        heeded = {("default", "search"), ("team-b", "demo"), ("team-b", "search")}
        marks = world.status.suspicions
        assert {one.rollout for one in marks} <= {"search", "team-b/demo", "team-b/search"}
        if any(mark.release != one.serves for one in listing for mark in one.marks if one.place in heeded):
            assert len(marks) == 1
    world.suspects = Suspects(across_namespaces=("team-*",))
    world.tick()
    assert {one.rollout for one in world.status.suspicions} <= {"search"}


def test_one_alone_is_no_pattern() -> None:
    assert Together(("team",)).names == ("team",)
