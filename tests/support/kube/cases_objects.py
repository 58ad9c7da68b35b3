"""Cases of objects' lives: versions, status, deletion, owners, lists, watches."""

from __future__ import annotations

from typing import Any

from sampler_rollouts.cluster.kinds import CONTROLLER_REVISION, POD

from tests.support.kube.conformance import (
    MERGE,
    ROLLOUT,
    Calls,
    case,
    fails,
    record,
    rollout,
    version,
)


def _status(calls: Calls, obj: dict[str, Any], status: Any) -> dict[str, Any]:
    path = calls.path(ROLLOUT, obj["metadata"]["name"]) + "/status"
    return calls.server.request("PUT", path, query={"fieldManager": "one"}, body={**obj, "status": status})


@case(("Conflict", True, 1, 2, {"stage": "Idle"}))
def status_is_written_over_the_version_that_was_read(calls: Calls) -> Any:
    first = calls.apply(ROLLOUT, rollout("status"))
    written = _status(calls, first, {"stage": "Idle"})
    late = fails(lambda: _status(calls, first, {"stage": "Serving"}))
    again = _status(calls, written, {"stage": "Idle"})
    edited = calls.apply(ROLLOUT, rollout("status", paused=True))
    same = version(written) == version(again)
    return late, same, written["metadata"]["generation"], edited["metadata"]["generation"], edited["status"]


def _pod(calls: Calls, name: str, **spec: Any) -> None:
    container = {"name": "one", "image": "example.com/none"}
    body = {"automountServiceAccountToken": False, "containers": [container], **spec}
    pod = {"metadata": {"name": name}, "spec": body}
    made = lambda: fails(lambda: calls.server.request("POST", calls.path(POD), body=pod)) == ""  # noqa: E731
    assert calls.server.eventually(made), "the namespace's service account comes a little later"


@case(([("Ready", "False"), ("example.com/gate", "True")], "NotFound"))
def conditions_of_a_pod_are_merged_by_type(calls: Calls) -> Any:
    _pod(calls, "gated")

    def say(name: str, kind: str, status: str) -> dict[str, Any]:
        body = {"status": {"conditions": [{"type": kind, "status": status}]}}
        path, strategic = f"{calls.path(POD, name)}/status", "application/strategic-merge-patch+json"
        return calls.server.request("PATCH", path, query={"fieldManager": "one"}, body=body, content_type=strategic)

    for kind, status in (("Ready", "True"), ("example.com/gate", "True"), ("Ready", "False")):
        told = say("gated", kind, status)["status"]["conditions"]
    mine = [(one["type"], one["status"]) for one in told if one["type"] in ("Ready", "example.com/gate")]
    return sorted(mine), fails(lambda: say("nobody", "Ready", "True"))


@case((True, 30, True, True))
def a_pod_on_a_node_waits_for_its_kubelet_unless_it_has_ended(calls: Calls) -> Any:
    for name, phase in (("runs", "Running"), ("has-failed", "Failed")):
        _pod(calls, name, nodeName="nowhere")
        path = f"{calls.path(POD, name)}/status"
        calls.server.request("PATCH", path, body={"status": {"phase": phase}}, content_type=MERGE)
        calls.delete(POD, name)
    waits = calls.get(POD, "runs")["metadata"]
    failed = fails(lambda: calls.get(POD, "has-failed")) == "NotFound"
    calls.server.request("DELETE", calls.path(POD, "runs"), body={"gracePeriodSeconds": 0})
    grace = waits.get("deletionGracePeriodSeconds")
    return "deletionTimestamp" in waits, grace, failed, fails(lambda: calls.get(POD, "runs")) == "NotFound"


@case(({"observedGeneration": -1}, {"stage": "Idle"}))
def before_its_first_status_a_rollout_says_that_nobody_has_seen_it(calls: Calls) -> Any:
    first = calls.apply(ROLLOUT, rollout("unseen"))
    return first["status"], _status(calls, first, {"stage": "Idle"})["status"]


@case((False, "1%"))
def status_is_no_part_of_the_object_and_spec_no_part_of_status(calls: Calls) -> Any:
    first = calls.apply(ROLLOUT, rollout("apart") | {"status": {"stage": "Idle"}})
    other = {**first, "spec": {**first["spec"], "paused": True}}
    written = _status(calls, other, {"stage": "Idle"})
    return written["spec"]["paused"], written["spec"]["quality"]["falseRollbackRate"]


@case(("Refused", "Refused"))
def what_breaks_the_schema_is_refused(calls: Calls) -> Any:
    bad = rollout("schema", retryGeneration=-1)
    good = calls.apply(ROLLOUT, rollout("schema"))
    return (
        fails(lambda: calls.apply(ROLLOUT, bad)),
        fails(lambda: _status(calls, good, {"progress": "x" * 200})),
    )


@case(("NotFound", "Conflict", "NotFound", "Conflict", ""))
def what_is_there_and_what_is_not(calls: Calls) -> Any:
    made = calls.apply(CONTROLLER_REVISION, record("there"))
    body = {"apiVersion": "apps/v1", "kind": "ControllerRevision", **record("there")}
    wrong = "00000000-0000-0000-0000-000000000000"
    return (
        fails(lambda: calls.get(CONTROLLER_REVISION, "nowhere")),
        fails(lambda: calls.server.request("POST", calls.path(CONTROLLER_REVISION), body=body)),
        fails(lambda: calls.delete(CONTROLLER_REVISION, "nowhere")),
        fails(lambda: calls.delete(CONTROLLER_REVISION, "there", uid=wrong)),
        fails(lambda: calls.delete(CONTROLLER_REVISION, "there", uid=made["metadata"]["uid"])),
    )


@case("Refused")
def a_merge_patch_that_names_another_uid_is_refused(calls: Calls) -> Any:
    calls.apply(CONTROLLER_REVISION, record("patched"))
    body = {"metadata": {"uid": "00000000-0000-0000-0000-000000000000", "labels": {"a": "b"}}}
    return fails(lambda: calls.merge(CONTROLLER_REVISION, "patched", body))


@case((["list-1", "list-2", "list-3"], 2, True))
def lists_are_by_label_and_page_by_page(calls: Calls) -> Any:
    for number in (1, 2, 3):
        calls.apply(CONTROLLER_REVISION, record(f"list-{number}", which="list"))
    calls.apply(CONTROLLER_REVISION, record("list-4", which="other"))
    query = {"labelSelector": "which=list", "limit": "2"}
    first = calls.server.request("GET", calls.path(CONTROLLER_REVISION), query=query)
    more = query | {"continue": first["metadata"]["continue"]}
    second = calls.server.request("GET", calls.path(CONTROLLER_REVISION), query=more)
    names = [item["metadata"]["name"] for page in (first, second) for item in page["items"]]
    return names, len(first["items"]), not second["metadata"].get("continue")


@case((True, True, "", True))
def what_waits_for_a_finalizer_is_there_until_it_is_taken_off(calls: Calls) -> Any:
    waiting = record("finalizer")
    waiting["metadata"]["finalizers"] = ["example.com/mine"]
    calls.apply(CONTROLLER_REVISION, waiting)
    calls.delete(CONTROLLER_REVISION, "finalizer")
    there = calls.get(CONTROLLER_REVISION, "finalizer")
    again = fails(lambda: calls.delete(CONTROLLER_REVISION, "finalizer"))
    calls.merge(CONTROLLER_REVISION, "finalizer", {"metadata": {"finalizers": None}})
    kept = there["metadata"]["finalizers"] == ["example.com/mine"]
    return "deletionTimestamp" in there["metadata"], kept, again, calls.gone(CONTROLLER_REVISION, "finalizer")


@case(True)
def what_is_owned_goes_after_its_owner(calls: Calls) -> Any:
    owner = calls.apply(CONTROLLER_REVISION, record("owner"))
    calls.apply(CONTROLLER_REVISION, record("owned", owner))
    calls.delete(CONTROLLER_REVISION, "owner")
    return calls.gone(CONTROLLER_REVISION, "owned")


@case((True, []))
def what_is_orphaned_stays(calls: Calls) -> Any:
    owner = calls.apply(CONTROLLER_REVISION, record("parent"))
    calls.apply(CONTROLLER_REVISION, record("orphan", owner))
    calls.delete(CONTROLLER_REVISION, "parent", "Orphan")
    gone = calls.gone(CONTROLLER_REVISION, "parent")
    return gone, calls.get(CONTROLLER_REVISION, "orphan")["metadata"].get("ownerReferences") or []


@case((["foregroundDeletion"], True))
def in_the_foreground_the_owner_waits(calls: Calls) -> Any:
    owner = calls.apply(CONTROLLER_REVISION, record("waits"))
    held = record("waited-for", owner)
    held["metadata"]["finalizers"] = ["example.com/mine"]
    calls.apply(CONTROLLER_REVISION, held)
    calls.delete(CONTROLLER_REVISION, "waits", "Foreground")
    calls.server.eventually(lambda: "deletionTimestamp" in calls.get(CONTROLLER_REVISION, "waited-for")["metadata"])
    finalizers = calls.get(CONTROLLER_REVISION, "waits")["metadata"]["finalizers"]
    calls.merge(CONTROLLER_REVISION, "waited-for", {"metadata": {"finalizers": None}})
    return finalizers, calls.gone(CONTROLLER_REVISION, "waits")


@case([("ADDED", 1), ("MODIFIED", 2), ("DELETED", 2)])
def a_watch_tells_what_happened_since_a_version(calls: Calls) -> Any:
    before = calls.apply(CONTROLLER_REVISION, record("watch-before"))
    calls.apply(CONTROLLER_REVISION, record("watched", revision=1))
    calls.apply(CONTROLLER_REVISION, record("watched", revision=2))
    calls.delete(CONTROLLER_REVISION, "watched")
    seen = calls.server.watch(calls.path(CONTROLLER_REVISION), version(before))
    return [(kind, obj["revision"]) for kind, obj in seen if obj["metadata"]["name"] == "watched"]
