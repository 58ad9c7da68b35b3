"""Cases of server-side apply: who owns what, what conflicts, what goes."""

from __future__ import annotations

import functools
from typing import Any

from sampler_rollouts.cluster.kinds import CONTROLLER_REVISION, DEPLOYMENT, SERVICE

from tests.support.kube.conformance import (
    ROLLOUT,
    Calls,
    case,
    deployment,
    fails,
    owners,
    record,
    rollout,
    service,
    version,
)


@case((True, "one"))
def applying_twice_is_applying_once(calls: Calls) -> Any:
    first = calls.apply(CONTROLLER_REVISION, record("twice"))
    second = calls.apply(CONTROLLER_REVISION, record("twice"))
    return version(first) == version(second), second["metadata"]["managedFields"][0]["manager"]


@case(("Conflict", "", ["one", "three"]))
def a_field_of_somebody_else_conflicts_unless_it_is_equal(calls: Calls) -> Any:
    calls.apply(DEPLOYMENT, deployment("contested", 0))
    refused = fails(lambda: calls.apply(DEPLOYMENT, deployment("contested", 3), "two"))
    agreed = fails(lambda: calls.apply(DEPLOYMENT, deployment("contested", 0), "three"))
    return refused, agreed, owners(calls.get(DEPLOYMENT, "contested"), "f:replicas")


@case((["two"], 0, ["one"], 0))
def who_scales_owns_the_replicas_until_they_are_taken_by_force(calls: Calls) -> Any:
    calls.apply(DEPLOYMENT, deployment("scaled", 0))
    # No pod is to start: a paused Deployment of the real server makes none either way.
    calls.merge(DEPLOYMENT, "scaled", {"spec": {"paused": True, "replicas": 1}})
    calls.merge(DEPLOYMENT, "scaled", {"spec": {"replicas": 0}})
    strangers = calls.get(DEPLOYMENT, "scaled")
    calls.apply(DEPLOYMENT, deployment("scaled", 1), force=True)
    mine = calls.apply(DEPLOYMENT, deployment("scaled", 0), force=True)
    return (
        owners(strangers, "f:replicas"),
        strangers["spec"]["replicas"],
        owners(mine, "f:replicas"),
        mine["spec"]["replicas"],
    )


@case((["app"], ["app", "kept"]))
def what_is_no_longer_applied_goes_unless_somebody_else_applies_it(calls: Calls) -> Any:
    calls.apply(DEPLOYMENT, deployment("labels", 0, gone="1"))
    first = calls.apply(DEPLOYMENT, deployment("labels", 0))
    calls.apply(DEPLOYMENT, deployment("labels", 0, kept="1"))
    calls.apply(DEPLOYMENT, {"metadata": {"name": "labels", "labels": {"kept": "1"}}}, "two")
    second = calls.apply(DEPLOYMENT, deployment("labels", 0))
    return sorted(first["metadata"]["labels"]), sorted(second["metadata"]["labels"])


@case(({"A": "1", "C": "3"}, 1))
def lists_by_name_are_merged_member_by_member(calls: Calls) -> Any:
    calls.apply(DEPLOYMENT, deployment("env", 0, {"A": "1", "B": "2"}))
    calls.apply(DEPLOYMENT, _only_env("env", "C", "3"), "two")
    found = calls.apply(DEPLOYMENT, deployment("env", 0, {"A": "1"}))
    containers = found["spec"]["template"]["spec"]["containers"]
    return {item["name"]: item["value"] for item in containers[0]["env"]}, len(containers)


def _only_env(name: str, key: str, value: str) -> dict[str, Any]:
    container = {"name": "sampler", "env": [{"name": key, "value": value}]}
    return {"metadata": {"name": name}, "spec": {"template": {"spec": {"containers": [container]}}}}


@case(({"app": "x"}, [80]))
def a_services_selector_is_one_value_and_its_ports_are_a_map(calls: Calls) -> Any:
    calls.apply(SERVICE, service("selector", {"app": "x"}, 80, 81))
    calls.merge(SERVICE, "selector", {"spec": {"selector": {"more": "y"}}})
    found = calls.apply(SERVICE, service("selector", {"app": "x"}, 80), force=True)
    return found["spec"]["selector"], [port["port"] for port in found["spec"]["ports"]]


@case(("None", False))
def a_service_that_others_made_sticky_is_put_back_by_the_default_alone(calls: Calls) -> Any:
    plain = service("sticky", {"app": "x"})
    plain["spec"]["sessionAffinity"] = "None"
    calls.apply(SERVICE, plain)
    calls.merge(SERVICE, "sticky", {"spec": {"sessionAffinity": "ClientIP"}})
    found = calls.apply(SERVICE, plain, force=True)["spec"]
    return found["sessionAffinity"], "sessionAffinityConfig" in found


STEPS = [{"weight": weight, "minDuration": "1m"} for weight in (5, 25, 50)]


@case((["two"], ["one"]))
def who_adds_to_a_list_that_is_one_value_has_all_of_it(calls: Calls) -> Any:
    wanted = rollout("steps", strategy={"steps": STEPS[::2]})
    calls.apply(ROLLOUT, wanted)
    strangers = calls.merge(ROLLOUT, "steps", {"spec": {"strategy": {"steps": STEPS}}})
    ours = calls.apply(ROLLOUT, wanted, force=True)
    return owners(strangers, "f:strategy"), owners(ours, "f:strategy")


@case(("Refused", "Conflict", ""))
def an_apply_that_names_a_uid_is_for_that_object_alone(calls: Calls) -> Any:
    there = calls.apply(CONTROLLER_REVISION, record("uid"))
    wrong, absent, right = record("uid"), record("uid-absent"), record("uid")
    wrong["metadata"]["uid"] = absent["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
    right["metadata"]["uid"] = there["metadata"]["uid"]
    return tuple(
        fails(functools.partial(calls.apply, CONTROLLER_REVISION, one, force=True)) for one in (wrong, absent, right)
    )


@case("Refused")
def two_controllers_are_refused(calls: Calls) -> Any:
    first, second = (calls.apply(CONTROLLER_REVISION, record(f"controller-{n}")) for n in (1, 2))
    calls.apply(CONTROLLER_REVISION, record("controlled", first))
    return fails(lambda: calls.apply(CONTROLLER_REVISION, record("controlled", second), "two", force=True))


@case("Refused")
def a_deployments_selector_does_not_change(calls: Calls) -> Any:
    calls.apply(DEPLOYMENT, deployment("immutable", 0))
    other = deployment("immutable", 0, more="1")
    for where in (other["spec"]["selector"]["matchLabels"], other["spec"]["template"]["metadata"]["labels"]):
        where["more"] = "1"
    return fails(lambda: calls.apply(DEPLOYMENT, other, force=True))


@case((1, "RollingUpdate", 600, "Always", "TCP"))
def defaults_are_filled_in(calls: Calls) -> Any:
    wanted = deployment("defaults", None)
    wanted["spec"]["paused"] = True  # so that no pod starts
    made = calls.apply(DEPLOYMENT, wanted)
    spec = made["spec"]
    port = calls.apply(SERVICE, service("defaults", {"app": "x"}))["spec"]["ports"][0]
    return (
        spec["replicas"],
        spec["strategy"]["type"],
        spec["progressDeadlineSeconds"],
        spec["template"]["spec"]["restartPolicy"],
        port["protocol"],
    )
