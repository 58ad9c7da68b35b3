"""Changes by others are remembered, newest first, and told once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sampler_rollouts.domain import limits
from sampler_rollouts.domain.decision import note_edits
from sampler_rollouts.domain.outcome import Outcome
from sampler_rollouts.domain.plan import OutsideEdit
from sampler_rollouts.domain.status import Status

from tests.unit.operator.domain.story import bad
from tests.unit.operator.domain.test_after_bake import verified
from tests.unit.operator.domain.world import START


def edit(name: str = "chat-a-r1", after: float = 0, by: str = "kubectl-edit") -> OutsideEdit:
    return OutsideEdit(kind="Deployment", name=name, by=by, at=START + timedelta(seconds=after))


def outcome(*known: OutsideEdit, **more: Any) -> Outcome:
    return Outcome(status=Status(edits=list(known)), objects=(), **more)


def test_what_is_new_is_told_and_remembered() -> None:
    found = note_edits(outcome(edit("old")), [edit("new", after=5)])
    assert [one.name for one in found.status.edits] == ["new", "old"]
    assert [(event.type, event.reason) for event in found.events] == [("Warning", "ChangedOutside")]
    assert found.events[0].message == "kubectl-edit changed Deployment new; it is put back."


def test_what_is_known_changes_nothing() -> None:
    before = outcome(edit())
    assert note_edits(before, [edit()]) is before
    assert note_edits(before, [edit(after=59)]) is before
    assert note_edits(before, []) is before
    assert note_edits(outcome(hands_off=True), [edit()]).status.edits == []


def test_who_does_it_again_is_told_once_a_minute() -> None:
    found = note_edits(outcome(edit()), [edit(after=60)])
    assert [one.at for one in found.status.edits] == [START + timedelta(seconds=60)]
    assert len(found.events) == 1


def test_the_last_ones_stay() -> None:
    known = [edit(f"child-{number}", after=number) for number in range(limits.EDITS)]
    found = note_edits(outcome(*reversed(known)), [edit("newest", after=100)])
    names = [one.name for one in found.status.edits]
    assert (len(names), names[0], "child-0" in names) == (limits.EDITS, "newest", False)


@pytest.mark.parametrize(("kind", "name"), [("Service", "demo-standard"), ("HTTPRoute", "demo")])
def test_an_edit_is_the_last_change_that_an_alarm_names(kind: str, name: str) -> None:
    world = verified()
    at = world.now + timedelta(seconds=1)
    changed = OutsideEdit(kind=kind, name=name, by="kubectl-edit", at=at)
    world.raw_status = note_edits(Outcome(status=world.status, objects=()), [changed]).status.dump()
    world.judge = bad(world.revision_of("stable"))
    world.run(60)
    said = f"at {at:%Y-%m-%dT%H:%M:%SZ} kubectl-edit changed {kind} {name} (it was put back); before that, at"
    assert f"Last change seen: {said}" in world.message("Degraded")


def addition(adds: str, after: float = 0) -> OutsideEdit:
    return edit(after=after).model_copy(update={"adds": adds})


def test_an_addition_stays_and_is_told_with_what_it_did() -> None:
    found = note_edits(outcome(edit()), [addition("spec.hostNetwork")])
    assert [(event.type, event.reason) for event in found.events] == [("Warning", "AddedOutside")]
    assert found.events[0].message == (
        "kubectl-edit added to the pods of Deployment chat-a-r1: spec.hostNetwork. "
        "These pods were started anew without a gate; what was added stays until it is taken away."
    )
    assert note_edits(found, [addition("spec.hostNetwork")]) is found


def test_another_addition_is_told_at_once_and_the_same_again_once_a_minute() -> None:
    more = "spec.tty, spec.hostNetwork"
    found = note_edits(outcome(addition("spec.tty")), [addition(more, after=5)])
    assert len(found.events) == 1
    assert note_edits(found, [addition(more, after=64)]) is found
    assert len(note_edits(outcome(*found.status.edits), [addition(more, after=65)]).events) == 1


def test_an_addition_is_the_last_change_that_an_alarm_names() -> None:
    world = verified()
    at = world.now + timedelta(seconds=1)
    changed = addition("spec.hostNetwork").model_copy(update={"at": at})
    world.raw_status = note_edits(Outcome(status=world.status, objects=()), [changed]).status.dump()
    world.judge = bad(world.revision_of("stable"))
    world.run(60)
    said = (
        f"at {at:%Y-%m-%dT%H:%M:%SZ} kubectl-edit added to the pods of Deployment chat-a-r1: spec.hostNetwork; before"
    )
    assert said in world.message("Degraded")


def route(after: float, name: str = "mine") -> OutsideEdit:
    return OutsideEdit(
        kind="HTTPRoute", name=name, by="kubectl-create", at=START + timedelta(seconds=after), services="chat-long-r1"
    )


def test_a_strangers_route_is_told_and_not_said_to_be_put_back() -> None:
    found = note_edits(outcome(), [route(5)])
    assert [(event.type, event.reason) for event in found.events] == [("Normal", "RouteOfOthers")]
    said = "kubectl-create wrote HTTPRoute mine with backends chat-long-r1; it is not the operator's, and stays."
    assert found.events[0].message == said
    assert note_edits(found, [route(5)]) is found


def test_what_stands_for_long_is_not_told_again_when_newer_edits_have_taken_its_place() -> None:
    """A route is found at every look, with the time of its last change."""
    known = outcome(*(edit(f"child-{number}", after=10 + number) for number in range(limits.EDITS)))
    assert note_edits(known, [route(5)]) is known


def test_an_alarm_names_a_strangers_route_that_the_same_look_has_found(monkeypatch: pytest.MonkeyPatch) -> None:
    world = verified()
    at = world.now + timedelta(seconds=1)
    look, found = world.observe, route(0).model_copy(update={"at": at})
    monkeypatch.setattr(world, "observe", lambda: replace(look(), calls=(found,)))
    world.judge = bad(world.revision_of("stable"))
    world.run(60)
    said = (
        f"Last change seen: at {at:%Y-%m-%dT%H:%M:%SZ} kubectl-create wrote HTTPRoute mine with backends chat-long-r1"
    )
    assert said in world.message("Degraded")


def test_an_alarm_names_a_strangers_route_beside_an_edit_that_came_later() -> None:
    world = verified()
    at = [world.now + timedelta(seconds=number) for number in (1, 2)]
    found = [route(0).model_copy(update={"at": at[0]}), edit("demo").model_copy(update={"at": at[1]})]
    world.raw_status = note_edits(Outcome(status=world.status, objects=()), found).status.dump()
    world.judge = bad(world.revision_of("stable"))
    world.run(60)
    said = (
        f"at {at[1]:%Y-%m-%dT%H:%M:%SZ} kubectl-edit changed Deployment demo (it was put back); before that, "
        f"at {at[0]:%Y-%m-%dT%H:%M:%SZ} kubectl-create wrote HTTPRoute mine with backends chat-long-r1; before that, at"
    )
    assert f"Last change seen: {said}" in world.message("Degraded")
