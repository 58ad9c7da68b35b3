"""Argo CD: what its health script says of every state, which actions it offers there, and what they lead to."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.domain.resource import parse_spec

from tests.unit.operator.domain.story import holding
from tests.unit.operator.domain.world import World, passing
from tests.unit.operator.gitops import argo
from tests.unit.operator.gitops.states import STATES, rolled_back, rollout_object, waiting

Object = dict[str, Any]
HELD = {"promote", "retry", "pause"}
OFFERED = {"waiting": {"promote", "pause"}, "holding": HELD, "no-pods": HELD}
RETRIED = {"first-fails", "first-cannot-start", "rolled-back", "not-well", "stable-away"}
PAUSED = {"paused-first", "paused", "stable-away-withdrawn"}


def expected(name: str) -> set[str]:
    if name in PAUSED:
        return {"resume"}
    return OFFERED.get(name, {"pause"} | ({"retry"} if name in RETRIED else set()))


@pytest.mark.parametrize("name", STATES)
def test_health(name: str) -> None:
    said = argo.health(STATES[name].object())
    assert said["status"] == STATES[name].argo
    assert said["message"]


@pytest.mark.parametrize("name", STATES)
def test_the_actions_that_make_sense_are_offered(name: str) -> None:
    assert argo.offered(STATES[name].object()) == expected(name)


def test_the_reason_is_the_message() -> None:
    world = rolled_back()
    assert argo.health(rollout_object(world))["message"] == world.message("Stalled")
    assert "check unexpected-script" in world.message("Stalled")


def test_what_is_wrong_meanwhile_is_told_and_is_no_failure() -> None:
    body = STATES["progressing"].object()
    wrong = {"type": "Degraded", "status": "True", "reason": "StableNotReady", "message": "2 of 4 pods"}
    body["status"]["conditions"] = [c for c in body["status"]["conditions"] if c["type"] != "Degraded"] + [wrong]
    said = argo.health(body)
    assert said["status"] == "Progressing"
    assert said["message"].endswith("(degraded: 2 of 4 pods)")


def test_a_status_without_conditions_is_no_failure() -> None:
    body = STATES["baking"].object()
    body["status"] = {"observedGeneration": body["metadata"]["generation"]}
    assert argo.health(body)["status"] == "Progressing"


def acted(world: World, action: str) -> World:
    """What Argo CD patches, in the cluster."""
    before = rollout_object(world)
    after = argo.act(action, before)
    assert {key for key in after if after[key] != before.get(key)} <= {"metadata", "spec"}
    parse_spec(after["spec"], world.name)
    world.annotations = after["metadata"].get("annotations", {})
    if after["spec"] != before["spec"]:
        world.update(after["spec"])
    return world


def test_promote_goes_past_a_pause_once() -> None:
    world = acted(waiting(), "promote")
    (word,) = world.annotations.values()
    assert word.startswith(f"{world.status.rollout.release}:argocd-")  # type: ignore[union-attr]
    world.judge = passing
    world.until("Serving")
    assert world.condition("Ready") == ("True", "FullTraffic")


def test_promote_keeps_other_annotations() -> None:
    world = waiting()
    world.annotations = {"owner": "team-a"}
    assert acted(world, "promote").annotations["owner"] == "team-a"


def test_promote_goes_past_a_deadline() -> None:
    world = acted(holding(), "promote")
    world.tick()
    assert world.status.stage == "Progressing"


def test_retry_tries_a_held_release_again() -> None:
    world = rolled_back()
    held = world.status.failed[0].hash
    world.judge = passing
    acted(world, "retry").until("Serving")
    assert world.spec["retryGeneration"] == 1
    assert world.status.stable is not None
    assert world.status.stable.hash == held


def test_pause_and_resume() -> None:
    world = acted(waiting(), "pause")
    world.tick()
    assert world.condition("Reconciling") == ("True", "Paused")
    acted(world, "resume").tick()
    assert world.condition("Reconciling") == ("True", "WaitingForPerson")


def test_every_action_is_offered_somewhere_and_no_other() -> None:
    assert set(argo.actions()) == set().union(*(expected(name) for name in STATES))
