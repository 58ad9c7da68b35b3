"""Who has changed what we own: by the server's own books, and no other change."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.cluster.edits import outside_edits
from sampler_rollouts.domain.render import Owner, class_service
from sampler_rollouts.domain.render_route import ClassRule, http_route
from sampler_rollouts.domain.route_plan import GatewayPlan, Parent

from tests.support.kube.api import MemoryApi
from tests.unit.operator.cluster import builders
from tests.unit.operator.cluster.applying import apply_all
from tests.unit.operator.cluster.builders import DEPLOYMENTS, SERVICES

Obj = dict[str, Any]
USERS = class_service(Owner("serving", "chat", "uid-chat"))
ALL = (builders.record(), builders.service(), builders.deployment(), USERS)


def patched(api: MemoryApi, path: str, body: Obj, manager: str = "kubectl-edit") -> None:
    query = {"fieldManager": manager}
    api.answer("PATCH", path, query=query, body=body, content_type="application/merge-patch+json")


def found(cluster: KubernetesCluster, rollout: Obj) -> list[tuple[str, str, str]]:
    edits = cluster.edits(ALL, cluster.children(rollout))
    return [(one.kind, one.name, one.by) for one in edits]


def test_what_nobody_has_touched_is_no_edit(cluster: KubernetesCluster, rollout: Obj) -> None:
    assert found(cluster, rollout) == []
    apply_all(cluster, rollout, *ALL)
    assert found(cluster, rollout) == []


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        (f"{DEPLOYMENTS}/chat-a-r1", {"spec": {"replicas": 9}}, "Deployment"),
        (f"{SERVICES}/chat-a-r1", {"spec": {"selector": {"app": "other"}}}, "Service"),
        (f"{SERVICES}/chat-standard", {"spec": {"sessionAffinity": "ClientIP"}}, "Service"),
        (f"{SERVICES}/chat-standard", {"spec": {"internalTrafficPolicy": "Local"}}, "Service"),
        (f"{SERVICES}/chat-standard", {"spec": {"publishNotReadyAddresses": True}}, "Service"),
        (f"{DEPLOYMENTS}/chat-a-r1", {"metadata": {"labels": {"samplerrollouts.io/pool": "b"}}}, "Deployment"),
    ],
)
def test_an_edit_is_told_once_and_is_none_when_it_is_put_back(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj, path: str, body: Obj, kind: str
) -> None:
    apply_all(cluster, rollout, *ALL)
    patched(api, path, body)
    assert found(cluster, rollout) == [(kind, path.rsplit("/", 1)[1], "kubectl-edit")]
    apply_all(cluster, rollout, *ALL)
    assert found(cluster, rollout) == []


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"labels": {"team": "a"}}},
        {"metadata": {"annotations": {"seen": "yes"}}},
        {"spec": {"replicas": 2}},
        {"spec": {"revisionHistoryLimit": 3}},
    ],
)
def test_what_is_not_ours_or_is_as_wanted_is_no_edit(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj, body: Obj
) -> None:
    apply_all(cluster, rollout, *ALL)
    wanted = builders.deployment()["spec"]["replicas"]
    if "replicas" in body.get("spec", {}):
        body = {"spec": {"replicas": wanted}}
    patched(api, f"{DEPLOYMENTS}/chat-a-r1", body)
    assert found(cluster, rollout) == []


def test_who_applies_the_same_beside_us_has_changed_nothing(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    apply_all(cluster, rollout, *ALL)
    meta = {"name": "chat-a-r1", "namespace": "serving"}
    spec = {"replicas": builders.deployment()["spec"]["replicas"]}
    same = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
    query = {"fieldManager": "argocd", "force": "true"}
    path = f"{DEPLOYMENTS}/chat-a-r1"
    api.answer("PATCH", path, query=query, body=same, content_type="application/apply-patch+yaml")
    managers = [one["manager"] for one in api.kinds("deployments")["chat-a-r1"]["metadata"]["managedFields"]]
    assert "argocd" in managers
    assert found(cluster, rollout) == []


def test_status_and_our_own_writes_are_no_edits(api: MemoryApi, cluster: KubernetesCluster, rollout: Obj) -> None:
    apply_all(cluster, rollout, *ALL)
    patched(api, f"{DEPLOYMENTS}/chat-a-r1", {"spec": {"replicas": 9}}, manager="sampler-rollouts")
    assert found(cluster, rollout) == []
    live = api.kinds("deployments")["chat-a-r1"]
    entry = {"manager": "kube-controller-manager", "subresource": "status", "time": "2026-01-02T03:04:05Z"}
    live["metadata"]["managedFields"] = [entry | {"fieldsV1": {"f:spec": {"f:replicas": {}}}}]
    assert list(outside_edits(builders.deployment(), live)) == []


ROUTE = http_route(
    Owner("serving", "chat", "uid-chat"),
    GatewayPlan(parent_refs=[Parent(name="edge")]),
    [ClassRule("standard", {"chat-a-r1": 1000})],
    "table",
)
RULES = {"f:spec": {"f:rules": {}}}


@pytest.mark.parametrize(
    ("weight", "entry", "told"),
    [
        (1, {"manager": "kubectl-edit", "fieldsV1": RULES}, ["kubectl-edit"]),
        (1000, {"manager": "kubectl-edit", "fieldsV1": RULES}, []),
        (1, {"manager": "edge-controller", "fieldsV1": {"f:status": {"f:parents": {}}}, "subresource": "status"}, []),
        (1, {"manager": "labeller", "fieldsV1": {"f:metadata": {"f:labels": {"f:team": {}}}}}, []),
        (1, {"manager": "sampler-rollouts", "fieldsV1": RULES}, []),
    ],
)
def test_of_a_route_too_the_value_counts_and_not_who_holds_it(weight: int, entry: Obj, told: list[str]) -> None:
    live = copy.deepcopy(ROUTE)
    live["spec"]["rules"][0]["backendRefs"][0]["weight"] = weight
    live["metadata"]["managedFields"] = [{"time": "2026-01-02T03:04:08Z", "operation": "Update"} | entry]
    assert [(one.kind, one.by) for one in outside_edits(ROUTE, live)] == [("HTTPRoute", by) for by in told]


@pytest.mark.parametrize("entry", [{}, {"manager": "x"}, {"manager": "x", "time": "soon"}, {"manager": "x", "time": 3}])
def test_books_that_make_no_sense_are_passed_over(cluster: KubernetesCluster, rollout: Obj, entry: Obj) -> None:
    live = builders.deployment(replicas=9)
    live["metadata"]["managedFields"] = [entry | {"fieldsV1": {"f:spec": {"f:replicas": {}}}}]
    assert list(outside_edits(builders.deployment(), live)) == []


def added(cluster: KubernetesCluster, rollout: Obj) -> list[tuple[str, str]]:
    return [(one.by, one.adds) for one in cluster.edits(ALL, cluster.children(rollout))]


def applied(api: MemoryApi, template: Obj, manager: str = "injector") -> None:
    meta = {"name": "chat-a-r1", "namespace": "serving"}
    same = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"template": template}}
    path, query = f"{DEPLOYMENTS}/chat-a-r1", {"fieldManager": manager, "force": "true"}
    api.answer("PATCH", path, query=query, body=same, content_type="application/apply-patch+yaml")


def test_a_restart_of_all_pods_is_told(api: MemoryApi, cluster: KubernetesCluster, rollout: Obj) -> None:
    apply_all(cluster, rollout, *ALL)
    mark = {"kubectl.kubernetes.io/restartedAt": "2026-11-27T05:00:00Z"}
    patched(
        api, f"{DEPLOYMENTS}/chat-a-r1", {"spec": {"template": {"metadata": {"annotations": mark}}}}, "kubectl-rollout"
    )
    told = [("kubectl-rollout", "metadata.annotations.kubectl.kubernetes.io/restartedAt")]
    assert added(cluster, rollout) == told
    apply_all(cluster, rollout, *ALL)
    assert added(cluster, rollout) == told, "it stays"


def test_what_is_added_to_pods_is_named_without_what_it_says(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    apply_all(cluster, rollout, *ALL)
    (ours,) = (one["name"] for one in builders.deployment()["spec"]["template"]["spec"]["containers"])
    containers = [
        {"name": "debug", "image": "shell", "env": [{"name": "A", "value": "a"}]},
        {"name": ours, "env": [{"name": "HTTP_PROXY", "value": "secret"}], "tty": True},
    ]
    applied(api, {"spec": {"containers": containers, "hostNetwork": True}})
    paths = [f"containers[{ours}].env[HTTP_PROXY]", f"containers[{ours}].tty", "containers[debug]", "hostNetwork"]
    assert added(cluster, rollout) == [("injector", ", ".join(sorted(f"spec.{path}" for path in paths)))]


def test_of_many_additions_some_are_named(api: MemoryApi, cluster: KubernetesCluster, rollout: Obj) -> None:
    apply_all(cluster, rollout, *ALL)
    applied(api, {"metadata": {"labels": {f"label-{number}": "x" for number in range(9)}}})
    ((_, named),) = added(cluster, rollout)
    assert named.startswith("metadata.labels.label-0, metadata.labels.label-1")
    assert named.endswith("metadata.labels.label-4 and 4 more")


def test_what_is_added_elsewhere_or_taken_away_again_is_not_told(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    apply_all(cluster, rollout, *ALL)
    applied(api, {"metadata": {"labels": {"team": "x"}}})
    assert len(added(cluster, rollout)) == 1
    applied(api, {})
    patched(api, f"{DEPLOYMENTS}/chat-a-r1", {"spec": {"minReadySeconds": 3}, "metadata": {"labels": {"team": "x"}}})
    patched(api, f"{SERVICES}/chat-a-r1", {"metadata": {"labels": {"team": "x"}}})
    assert added(cluster, rollout) == []
