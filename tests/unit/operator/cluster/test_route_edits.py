"""All of an HTTPRoute's spec is ours: whatever others change in it is put back, and what the server adds stays."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.cluster.compare import differs
from sampler_rollouts.domain.render import Owner
from sampler_rollouts.domain.render_route import Backend, ClassRule, http_route
from sampler_rollouts.domain.route_plan import GatewayPlan, Parent

from tests.support.kube.api import MemoryApi
from tests.unit.operator.cluster import builders
from tests.unit.operator.cluster.applying import apply_all
from tests.unit.operator.cluster.builders import NAMESPACE

Obj = dict[str, Any]
PATH = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes/chat"
ROLLOUT = builders.rollout(spec={"routing": {"gateway": {"parentRefs": [{"name": "edge"}]}}})
RULES = [
    ClassRule("standard", {"chat-a-r1": 1000}),
    ClassRule("long", {}, arms=(Backend("chat-l-r1", 9, "one"), Backend("chat-l-r1", 1, "two"))),
]


def route(hostnames: tuple[str, ...] = (), *, sticky: bool = False) -> Obj:
    plan = GatewayPlan(parent_refs=[Parent(name="edge", namespace="infra")], hostnames=list(hostnames), sticky=sticky)
    return http_route(Owner(NAMESPACE, "chat", "uid-chat"), plan, RULES, "table")


def edited(api: MemoryApi, change: Callable[[Obj], Any]) -> None:
    """By a merge patch of the fields that the change touches, as ``kubectl edit`` sends it."""
    before = api.answer("GET", PATH)["spec"]
    after = copy.deepcopy(before)
    change(after)
    body = {"spec": {name: value for name, value in after.items() if before.get(name) != value}}
    query = {"fieldManager": "kubectl-edit"}
    api.answer("PATCH", PATH, query=query, body=body, content_type="application/merge-patch+json")


def rule(spec: Obj, number: int = 0) -> Obj:
    found: Obj = spec["rules"][number]
    return found


TOLD = {"set": [{"name": "x-sampler-route", "value": "b"}]}
FORGED = {"type": "RequestHeaderModifier", "requestHeaderModifier": TOLD}
EDITS: dict[str, Callable[[Obj], Any]] = {
    "a method": lambda spec: rule(spec)["matches"][0].update(method="GET"),
    "parameters": lambda spec: rule(spec)["matches"][0].update(queryParams=[{"name": "a", "value": "b"}]),
    "a header": lambda spec: rule(spec)["matches"][0].update(headers=[{"type": "Exact", "name": "x", "value": "y"}]),
    "one more header": lambda spec: rule(spec, 1)["matches"][0]["headers"].append({"name": "x", "value": "y"}),
    "a filter at a backend": lambda spec: rule(spec)["backendRefs"][0].update(filters=[FORGED]),
    "more in our filter": lambda spec: rule(spec)["filters"][0]["requestHeaderModifier"].update(remove=["cookie"]),
    "sessions": lambda spec: rule(spec).update(sessionPersistence={"sessionName": "x"}),
    "a longer time": lambda spec: rule(spec)["timeouts"].update(backendRequest="1s"),
    "a backend's namespace": lambda spec: rule(spec)["backendRefs"][0].update(namespace="other"),
    "a backend": lambda spec: rule(spec)["backendRefs"].append({"name": "x", "port": 80, "weight": 1}),
    "a name of a rule": lambda spec: rule(spec).update(name="first"),
    "a rule": lambda spec: spec["rules"].append({"backendRefs": [{"name": "chat-l-r1", "port": 80}]}),
    "a parent's port": lambda spec: spec["parentRefs"][0].update(port=81),
    "a parent": lambda spec: spec["parentRefs"].append({"name": "inner"}),
    "host names": lambda spec: spec.update(hostnames=["other.example.com"]),
    "a field that we do not know": lambda spec: spec.update(useDefaultGateways="All"),
}


@pytest.mark.parametrize("hostnames", [(), ("api.example.com",)])
@pytest.mark.parametrize("edit", EDITS)
def test_any_edit_of_a_routes_spec_is_told_and_put_back(
    api: MemoryApi, cluster: KubernetesCluster, edit: str, hostnames: tuple[str, ...]
) -> None:
    wanted = route(hostnames)
    apply_all(cluster, ROLLOUT, wanted)
    edited(api, EDITS[edit])
    told = cluster.edits([wanted], cluster.children(ROLLOUT))
    assert [(one.kind, one.name, one.by) for one in told] == [("HTTPRoute", "chat", "kubectl-edit")]
    assert apply_all(cluster, ROLLOUT, wanted) == [True]
    assert api.answer("GET", PATH)["spec"] == wanted["spec"]
    assert cluster.edits([wanted], cluster.children(ROLLOUT)) == ()
    assert apply_all(cluster, ROLLOUT, wanted) == [False]


@pytest.mark.parametrize("sticky", [False, True])
def test_what_the_server_fills_in_is_no_edit_and_is_not_written_over_for_ever(
    api: MemoryApi, cluster: KubernetesCluster, sticky: bool
) -> None:
    """A default that a later version of the API may have; a webhook of the cluster does the same."""
    wanted = route(sticky=sticky)
    apply_all(cluster, ROLLOUT, wanted)
    live = copy.deepcopy(api.objects[PATH])
    live["spec"]["rules"][0]["backendRefs"][0]["appProtocol"] = "http"
    live["spec"]["parentRefs"][0]["scope"] = "Gateway"
    live["spec"]["tier"] = "Usual"
    api.store(PATH, live)
    assert cluster.edits([wanted], cluster.children(ROLLOUT)) == ()
    assert apply_all(cluster, ROLLOUT, wanted) == [False]


def test_a_route_of_an_earlier_version_is_not_written_for_its_host_names(
    api: MemoryApi, cluster: KubernetesCluster
) -> None:
    earlier = route()
    del earlier["spec"]["hostnames"]
    apply_all(cluster, ROLLOUT, earlier)
    assert apply_all(cluster, ROLLOUT, route()) == [False]


def test_who_changes_a_route_and_changes_it_back_leaves_it_ours(api: MemoryApi, cluster: KubernetesCluster) -> None:
    wanted = route()
    apply_all(cluster, ROLLOUT, wanted)
    edited(api, lambda spec: rule(spec)["matches"][0].update(method="GET"))
    edited(api, lambda spec: rule(spec)["matches"][0].pop("method"))
    assert cluster.edits([wanted], cluster.children(ROLLOUT)) == ()
    assert apply_all(cluster, ROLLOUT, wanted) == [True]
    assert apply_all(cluster, ROLLOUT, wanted) == [False]


def test_labels_and_annotations_of_others_are_theirs(api: MemoryApi, cluster: KubernetesCluster) -> None:
    wanted = route()
    apply_all(cluster, ROLLOUT, wanted)
    body = {"metadata": {"labels": {"team": "a"}, "annotations": {"seen": "yes"}}}
    api.answer("PATCH", PATH, query={"fieldManager": "x"}, body=body, content_type="application/merge-patch+json")
    assert cluster.edits([wanted], cluster.children(ROLLOUT)) == ()
    assert apply_all(cluster, ROLLOUT, wanted) == [False]


def test_what_gateways_say_of_a_route_is_no_edit() -> None:
    live = copy.deepcopy(route())
    ours = {"f:metadata": {"f:labels": {}}, "f:spec": {f"f:{name}": {} for name in live["spec"]}}
    theirs = {"f:status": {"f:parents": {}}, "f:spec": {"f:odd": {}}}
    live["spec"]["odd"] = 1
    live["metadata"]["managedFields"] = [
        {"manager": "sampler-rollouts", "operation": "Apply", "fieldsV1": ours},
        {"manager": "edge", "operation": "Update", "subresource": "status", "fieldsV1": theirs},
    ]
    assert not differs(route(), live)


def test_books_of_a_field_that_is_gone_are_no_edit(api: MemoryApi, cluster: KubernetesCluster) -> None:
    """The CRD had it once; to take it out again and again would change nothing."""
    wanted = route()
    apply_all(cluster, ROLLOUT, wanted)
    edited(api, EDITS["a field that we do not know"])
    live = copy.deepcopy(api.objects[PATH])
    del live["spec"]["useDefaultGateways"]
    api.store(PATH, live)
    assert cluster.edits([wanted], cluster.children(ROLLOUT)) == ()
    assert apply_all(cluster, ROLLOUT, wanted) == [False]
