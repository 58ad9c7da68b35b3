"""What the decision sees of pods and Deployments."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sampler_rollouts.cluster.translate import observation
from sampler_rollouts.domain.observation import Ended, PodState, WorkloadState

from tests.unit.operator.cluster.builders import deployment, labelled, pod, ready, record


def seen(*pods: dict[str, Any]) -> PodState:
    (state,) = observation([], [], pods).pods
    return state


def container(restarts: int = 0, last: dict[str, Any] | None = None, **state: Any) -> dict[str, Any]:
    return {"name": "sampler", "restartCount": restarts, "state": state, "lastState": last or {}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def ended(code: int = 1, reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "message": "the program's own words"}}


def test_a_serving_pod() -> None:
    state = seen(pod("p1", "a", "r1", **ready()))

    assert state == PodState("p1", "a", "r1", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), ready=True)


def examining(obj: dict[str, Any], pool: str = "a", revision: str = "r2") -> dict[str, Any]:
    """The same object as one that examines a revision."""
    prefix = "samplerrollouts.io"
    labels = {f"{prefix}/rollout": "chat", f"{prefix}/component": "preflight"}
    labels |= {f"{prefix}/preflight-pool": pool, f"{prefix}/preflight-revision": revision}
    return obj | {"metadata": obj["metadata"] | {"labels": labels}}


def standing_by(obj: dict[str, Any]) -> dict[str, Any]:
    """The same object as one that stands by."""
    labels = obj["metadata"]["labels"] | {"samplerrollouts.io/component": "standby"}
    return obj | {"metadata": obj["metadata"] | {"labels": labels}}


def test_what_stands_by_is_a_server_once_its_gate_is_open() -> None:
    able = {"conditions": [{"type": "ContainersReady", "status": "True"}, {"type": "Ready", "status": "False"}]}
    open_ = {"conditions": [{"type": kind, "status": "True"} for kind in ("Ready", "samplerrollouts.io/serving")]}
    pods = [standing_by(pod("p1", **able)), standing_by(pod("p2", **open_)), pod("p3", **ready())]

    found = observation([standing_by(deployment())], [], pods)

    assert [(one.name, one.standby, one.held, one.able) for one in found.pods] == [
        ("p1", True, True, True),
        ("p2", True, False, False),
        ("p3", False, False, False),
    ]
    assert found.workloads == ()
    assert found.live_templates == {}, "a lost record is not made from a template with a gate"
    assert [(one.pool, one.revision) for one in found.standbys] == [("a", "r1")]


def test_what_examines_a_build_is_no_server_of_it() -> None:
    one = examining(deployment())
    pods = [examining(pod("p2", podIP="10.0.0.7", **ready())), examining(pod("p3"), revision="r3"), pod("p4")]

    found = observation([one, deployment()], [], pods)

    assert [item.name for item in found.pods] == ["p4"]
    assert len(found.workloads) == 1
    (state,) = found.preflights
    assert (state.pool, state.revision) == ("a", "r2")
    assert [(item.name, item.address, item.ready, item.revision) for item in state.pods] == [
        ("p2", "10.0.0.7", True, "r2")
    ]


def test_a_pod_that_examines_tells_which_try_made_it() -> None:
    first, second = (examining(pod(name)) for name in ("p2", "p3"))
    second["metadata"]["labels"]["samplerrollouts.io/preflight-attempt"] = "20260102T030405Z"

    (state,) = observation([examining(deployment())], [], [first, second]).preflights

    assert [item.attempt for item in state.pods] == ["", "20260102T030405Z"]


def test_a_strangers_pod_with_such_labels_is_not_asked() -> None:
    forged = examining(pod("p2", podIP="10.0.0.7"))
    forged["metadata"]["ownerReferences"] = []

    (state,) = observation([examining(deployment())], [], [forged]).preflights

    assert state.pods == ()


def test_why_the_pod_that_examines_is_not_created_is_told() -> None:
    told = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}

    (state,) = observation([examining(deployment()) | {"status": {"conditions": [told]}}], [], []).preflights

    assert state.refused == "exceeded quota"


def test_a_terminating_pod_serves_nobody() -> None:
    leaving = pod(**ready())
    leaving["metadata"]["deletionTimestamp"] = "2026-01-02T03:05:05Z"

    state = seen(leaving)

    assert state.terminating
    assert not state.ready


@pytest.mark.parametrize(
    "reason",
    ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "ErrImageNeverPull"],
)
def test_a_waiting_reason_of_the_infrastructure_blocks(reason: str) -> None:
    state = seen(pod(containerStatuses=[container(**waiting(reason, "why"))]))

    assert (state.blocked, state.message) == (reason, "why")


@pytest.mark.parametrize("reason", ["CrashLoopBackOff", "RunContainerError"])
def test_a_waiting_reason_of_the_build_does_not(reason: str) -> None:
    assert seen(pod(containerStatuses=[container(**waiting(reason))])).blocked == ""


def test_an_unschedulable_pod_is_blocked() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}

    state = seen(pod(conditions=[condition]))

    assert (state.blocked, state.message) == ("Unschedulable", "0/1 nodes")


def test_a_pod_that_its_node_has_not_taken_up_is_blocked() -> None:
    """A dead kubelet is not the build's fault (R9)."""
    bound = pod(conditions=[{"type": "PodScheduled", "status": "True"}])
    bound["spec"] = {"nodeName": "n1"}

    state = seen(bound)

    assert (state.blocked, state.message) == ("NotTakenUp", "node n1 has started no container of it")


def test_a_pod_that_nobody_has_scheduled_is_blocked() -> None:
    assert seen(pod()).message == "no node was chosen for it"


def test_a_pod_whose_container_runs_is_not_blocked() -> None:
    assert seen(pod(containerStatuses=[container(running={})])).blocked == ""


@pytest.mark.parametrize(
    ("status", "exits"),
    [
        (container(0, running={}), 0),
        (container(0, **ended()), 1),
        (container(0, last=ended(), **waiting("CrashLoopBackOff")), 1),
        (container(1, last=ended(), running={}), 1),
        (container(2, last=ended(), **waiting("CrashLoopBackOff")), 3),
        (container(0, **waiting("ContainerCreating")), 0),
    ],
)
def test_exits_are_counted_also_while_no_container_runs(status: dict[str, Any], exits: int) -> None:
    assert seen(pod(containerStatuses=[status])).restarts == exits


def test_an_init_container_that_ended_well_counts_nothing() -> None:
    assert seen(pod(initContainerStatuses=[container(0, **ended(0, "Completed"))])).restarts == 0


def test_the_program_is_never_quoted() -> None:
    state = seen(pod(containerStatuses=[container(1, last=ended(137, "OOMKilled"), running={})]))

    assert state.message == "OOMKilled, exit code 137"


def test_a_long_message_is_cut() -> None:
    assert len(seen(pod(containerStatuses=[container(**waiting("ErrImagePull", "x" * 5000))])).message) == 300


def test_pods_of_somebody_else_are_not_seen() -> None:
    bare = pod("bare")
    bare["metadata"]["ownerReferences"] = []
    unlabelled = pod("unlabelled")
    unlabelled["metadata"]["labels"] = {}

    assert observation([], [], [bare, unlabelled]).pods == ()


def test_workloads_and_refusals() -> None:
    refused = deployment("b", "r2", 3)
    refused["status"] = {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]}

    stable = deployment("a", "r1", 2)
    stable["metadata"]["annotations"] = {"samplerrollouts.io/role": "stable"}

    assert observation([stable, refused], [], []).workloads == (
        WorkloadState("a", "r1", 2, stable=True),
        WorkloadState("b", "r2", 3, "exceeded quota"),
    )


def test_a_deployment_on_its_way_out_is_no_workload() -> None:
    leaving = deployment()
    leaving["metadata"]["deletionTimestamp"] = "2026-01-02T03:05:05Z"

    assert observation([leaving], [], []).workloads == ()


def test_recorded_templates_by_pool_and_revision() -> None:
    assert observation([], [record("a", "r1")], []).templates == {"a-r1": {"spec": {}}}


def test_fields_of_a_newer_server_do_no_harm() -> None:
    newer = pod(**ready())
    newer["status"]["somethingNew"] = {"deep": [1]}
    newer["metadata"]["labels"] = {**labelled(), "other": "label"}

    assert seen(newer).ready


def test_a_pod_that_has_ended_is_no_pod_any_more() -> None:
    """Evicted: its ReplicaSet has made another one, and never deletes it."""
    seen = observation([], [], [pod("serves", **ready()), pod("evicted", phase="Failed", reason="Evicted")])

    assert [one.name for one in seen.pods] == ["serves"]


def test_of_pods_that_have_ended_the_newest_says_why_in_the_kubelets_words() -> None:
    over = [pod(name, phase="Failed", reason="Evicted", message=f"{name} is full") for name in ("early", "late")]
    over[0]["metadata"]["creationTimestamp"] = "2026-01-02T03:04:05Z"
    over[1]["metadata"]["creationTimestamp"] = "2026-01-02T03:05:05Z"
    other = pod("other", "a", "r2", phase="Failed", reason="Evicted", message="of another revision")
    other["metadata"]["creationTimestamp"] = "2026-01-02T03:06:05Z"

    found = observation([deployment("a", "r1"), deployment("a", "r3")], [], [*over, other])

    at = datetime(2026, 1, 2, 3, 5, 5, tzinfo=UTC)
    assert [one.ended for one in found.workloads] == [Ended(at, "Evicted: late is full"), None]
    assert found.pods == ()


def test_since_when_a_pod_is_ready() -> None:
    since = "2026-01-02T03:09:00Z"
    yes = {"type": "Ready", "status": "True", "lastTransitionTime": since}
    assert seen(pod(conditions=[yes])).ready_since == datetime.fromisoformat(since)
    assert seen(pod(conditions=[yes | {"status": "False"}])).ready_since is None
    assert seen(pod(conditions=[{"type": "Ready", "status": "True"}])).ready_since is None


def test_the_exits_of_an_injected_sidecar_are_not_the_builds() -> None:
    containers = [
        {"name": "sampler", "restartCount": 1, "state": {"running": {}}},
        {"name": "proxy", "restartCount": 7, "state": {"running": {}}},
    ]
    seen = observation([], [], [pod(containerStatuses=containers)])

    assert seen.pods[0].restarts == 1


@pytest.mark.parametrize(
    ("ready", "started", "since"),
    [
        ({"status": "False", "lastTransitionTime": "2026-01-02T03:05:00Z"}, "2026-01-02T03:07:00Z", 7),
        ({"status": "False", "lastTransitionTime": "2026-01-02T03:09:00Z"}, "2026-01-02T03:07:00Z", 9),
        ({"status": "False", "lastTransitionTime": "2026-01-02T03:09:00Z"}, "", 9),
        ({"status": "True", "lastTransitionTime": "2026-01-02T03:09:00Z"}, "2026-01-02T03:07:00Z", None),
        ({}, "", None),
    ],
)
def test_since_when_a_pod_runs_and_is_not_ready(ready: dict[str, Any], started: str, since: int | None) -> None:
    state = {"running": {"startedAt": started}} if started else {"waiting": {"reason": "CrashLoopBackOff"}}
    conditions = [{"type": "Ready"} | ready] if ready else []

    found = seen(pod(conditions=conditions, containerStatuses=[container(**state)]))

    assert found.unready_since == (datetime(2026, 1, 2, 3, since, tzinfo=UTC) if since else None)
