"""Argo CD: what its health script says of every state, which actions it offers there, and what they lead to."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.domain.act import Act, Acts
from sampler_rollouts.domain.resource import ACT_PREFIX

from tests.unit.operator.domain.story import rolling
from tests.unit.operator.domain.world import World, passing
from tests.unit.operator.gitops import argo, makings
from tests.unit.operator.gitops.states import STATES

Object = dict[str, Any]
HELD = {"promote", "abort", "retry", "pause"}
OFFERED = {
    "first-fails": {"retry"},
    "first-cannot-start": {"retry"},
    "baking": {"pause"},
    "promoted": {"rollback", "pause"},
    "verified": {"pause"},
    "progressing": {"abort", "pause"},
    "waiting": {"promote", "abort", "pause"},
    "paused": {"abort"},
    "paused-by-act": {"abort", "resume"},
    "suspect": {"abort", "pause", "clear-suspect"},
    "suspect-serves": {"pause", "clear-suspect"},
    "blind": {"abort", "pause"},
    "holding": HELD,
    "no-pods": HELD,
    "unexamined": HELD,
    "shared": HELD,
    "rolled-back": {"retry"},
    "aborted": {"retry"},
    "reverted": {"pause"},
    "restoring": {"abort", "pause"},
    "not-well": {"retry"},
    "left-over": {"pause"},
    "pod-away": {"pause"},
    "deleted": {"pause"},
}
"""Nothing is offered in any other state."""


@pytest.mark.parametrize("name", STATES)
def test_health(name: str) -> None:
    said = argo.health(STATES[name].object())
    assert said["status"] == STATES[name].argo
    assert said["message"]


@pytest.mark.parametrize("name", STATES)
def test_the_actions_that_make_sense_are_offered(name: str) -> None:
    assert argo.offered(STATES[name].object()) == OFFERED.get(name, set())


def test_every_act_is_an_action() -> None:
    assert set(argo.actions()) == {act.value for act in Acts} == set().union(*OFFERED.values())


def test_the_reason_is_the_message() -> None:
    world = makings.rolled_back()
    assert argo.health(makings.rollout_object(world))["message"] == world.message("Stalled")
    assert "check unexpected-script" in world.message("Stalled")


def test_a_suspicion_of_what_serves_is_told() -> None:
    assert "failed in SamplerRollout other" in argo.health(STATES["suspect-serves"].object())["message"]


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


def acted(world: World, action: str) -> Act:
    """What Argo CD patches, in the cluster, and how the operator answers at its next look."""
    before = makings.rollout_object(world)
    assert action in argo.offered(before)
    after = argo.act(action, before)
    assert after["spec"] == before["spec"], "an action that touches the spec starts a fight with Git"
    assert {key for key in after if after[key] != before.get(key)} == {"metadata"}
    world.annotations = after["metadata"]["annotations"]
    world.tick()
    answer = world.status.act(Acts(action))
    assert answer is not None
    return answer


BEGINNINGS = {
    "promote": makings.waiting,
    "abort": rolling,
    "rollback": makings.promoted,
    "retry": makings.rolled_back,
    "pause": rolling,
    "resume": makings.paused_by_act,
    "clear-suspect": makings.suspect_candidate,
}


@pytest.mark.parametrize("action", BEGINNINGS)
def test_the_operator_does_it(action: str) -> None:
    answer = acted(BEGINNINGS[action](), action)
    assert (answer.done, answer.said[:8]) == (True, "argocd (")


@pytest.mark.parametrize("name", OFFERED)
def test_no_action_is_refused_where_it_is_offered(name: str) -> None:
    for action in OFFERED[name]:
        world = STATES[name].made()
        if not isinstance(world, World):
            continue
        assert acted(world, action).done, (action, world.status.acts)


def test_a_retry_is_of_the_release_that_is_asked_for_and_not_of_another_that_is_held() -> None:
    world = makings.rolled_back()
    wanted = world.status.failed[0].hash
    body = makings.rollout_object(world)
    older = {**body["status"]["failed"][0], "hash": "0" * 10, "message": "another one"}
    body["status"]["failed"].append(older)
    said = argo.act("retry", body)["metadata"]["annotations"]
    assert said[ACT_PREFIX + "retry"].startswith(wanted)


def test_a_retry_tries_again() -> None:
    world = makings.rolled_back()
    held = world.status.failed[0].hash
    world.judge = passing
    acted(world, "retry")
    world.until("Serving")
    assert world.status.stable is not None
    assert world.status.stable.hash == held


def test_promote_goes_past_a_deadline() -> None:
    world = STATES["holding"].made()
    assert isinstance(world, World)
    acted(world, "promote")
    assert world.status.stage == "Progressing"


def test_other_annotations_stay_and_other_acts_go_but_for_those_that_take_back() -> None:
    world = makings.waiting()
    kept = {"owner": "team-a", ACT_PREFIX + "abort": "0123456789", ACT_PREFIX + "rollback": "0123456789"}
    world.annotations = {**kept, ACT_PREFIX + "pause": "0123456789"}
    assert acted(world, "promote").done
    assert world.annotations.keys() == {*kept, ACT_PREFIX + "promote"}
