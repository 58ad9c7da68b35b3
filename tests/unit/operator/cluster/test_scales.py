"""SamplerPools at the API server: created once, then never told a count again."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.cluster.errors import ClusterError, ConflictError, NotOursError, RefusedError
from sampler_rollouts.cluster.kinds import FIELD_MANAGER
from sampler_rollouts.cluster.scales import counts_of, has_scales
from sampler_rollouts.domain.render import Owner
from sampler_rollouts.domain.sampler_pool import sampler_pool

from tests.support.kube.api import MemoryApi
from tests.unit.operator.cluster import builders
from tests.unit.operator.cluster.applying import apply_all

Obj = dict[str, Any]
PATH = f"/apis/samplerrollouts.io/v1alpha1/namespaces/{builders.NAMESPACE}/samplerpools/chat-a"
OWNED = {"spec": {"pools": [{"name": "a"}]}}


def wanted(count: int = 3, servers: int = 3) -> Obj:
    return sampler_pool(Owner(builders.NAMESPACE, "chat", "uid-chat"), "a", count, servers)


@pytest.fixture
def rollout(api: MemoryApi, cluster: KubernetesCluster) -> Obj:
    """One whose spec gives no number."""
    api.edit(f"{builders.ROLLOUT_PATH}/chat", lambda obj: obj.update(OWNED))
    return dict(api.objects[f"{builders.ROLLOUT_PATH}/chat"])


def scaled(api: MemoryApi, count: int) -> Obj:
    """As an autoscaler does it."""
    query, body = {"fieldManager": "kube-controller-manager"}, {"metadata": {"name": "chat-a"}}
    return api.answer("PUT", f"{PATH}/scale", query=query, body=body | {"spec": {"replicas": count}})


def live(api: MemoryApi) -> Obj:
    return api.objects[PATH]


def test_it_is_created_with_what_the_pool_has_and_told_what_there_is(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    assert apply_all(cluster, rollout, wanted(3, 2)) == [True]
    assert live(api)["spec"] == {"replicas": 3}
    assert live(api)["status"] == wanted(3, 2)["status"]
    assert scaled(api, 4)["status"]["selector"].startswith("samplerrollouts.io/rollout=chat,")


def test_it_comes_to_rest_and_its_count_is_nobodys_that_applies(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    apply_all(cluster, rollout, wanted())
    assert apply_all(cluster, rollout, wanted()) == [True], "from now on all but the count is applied"
    assert apply_all(cluster, rollout, wanted()) == [False]
    owners = [
        (one["operation"], "f:replicas" in one["fieldsV1"].get("f:spec", {}))
        for one in live(api)["metadata"]["managedFields"]
        if one["manager"] == FIELD_MANAGER and not one.get("subresource")
    ]
    assert sorted(owners) == [("Apply", False), ("Update", True)]


@pytest.mark.parametrize("count", [1, 3, 9])
def test_whatever_is_written_beside_it_an_autoscalers_count_stays(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj, count: int
) -> None:
    apply_all(cluster, rollout, wanted())
    children = cluster.children(rollout)
    scaled(api, count)
    api.edit(PATH, lambda obj: obj["metadata"]["labels"].update({"samplerrollouts.io/pool": "other"}), "somebody")
    cluster.apply(rollout, wanted(3, 1), children)
    assert live(api)["spec"] == {"replicas": count}
    assert live(api)["status"]["replicas"] == 1
    assert live(api)["metadata"]["labels"]["samplerrollouts.io/pool"] == "a"


def test_its_status_is_written_over_what_was_looked_at(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    for _ in range(2):
        apply_all(cluster, rollout, wanted())
    children = cluster.children(rollout)
    scaled(api, 5)
    with pytest.raises(ConflictError):
        cluster.apply(rollout, wanted(3, 1), children)
    apply_all(cluster, rollout, wanted(5, 1))
    assert (live(api)["spec"], live(api)["status"]["replicas"]) == ({"replicas": 5}, 1)


def test_without_our_label_it_is_found_and_keeps_its_count(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    apply_all(cluster, rollout, wanted())
    scaled(api, 7)
    api.edit(PATH, lambda obj: obj["metadata"].update(labels={}), "somebody")
    assert cluster.children(rollout).observation.counts == {}
    apply_all(cluster, rollout, wanted())
    assert live(api)["spec"] == {"replicas": 7}
    assert cluster.children(rollout).observation.counts == {"a": 7}


def test_a_strangers_of_the_same_name_is_left_alone(api: MemoryApi, cluster: KubernetesCluster, rollout: Obj) -> None:
    theirs = {"kind": "SamplerPool", "metadata": {"name": "chat-a"}, "spec": {"replicas": 2}}
    api.put(PATH, theirs)
    with pytest.raises(NotOursError):
        apply_all(cluster, rollout, wanted())
    assert live(api)["spec"] == {"replicas": 2}
    assert "status" not in live(api)


def test_one_that_is_being_deleted_is_waited_for(api: MemoryApi, cluster: KubernetesCluster, rollout: Obj) -> None:
    apply_all(cluster, rollout, wanted())
    api.edit(PATH, lambda obj: obj["metadata"].update(deletionTimestamp="2026-01-02T00:00:00Z"))
    assert cluster.children(rollout).observation.counts == {}
    with pytest.raises(ConflictError, match="still being deleted"):
        apply_all(cluster, rollout, wanted())


def test_what_is_told_of_a_kind_that_the_server_does_not_know(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    api.unserved.add("samplerpools")
    seen = cluster.children(rollout).observation
    assert (seen.scales, seen.counts) == (True, {})
    with pytest.raises(RefusedError, match=r"apply the definition samplerpools\.samplerrollouts\.io") as told:
        apply_all(cluster, rollout, wanted())
    assert "replicas in the spec" in str(told.value)


@pytest.mark.parametrize(
    ("spec", "status", "asked"),
    [
        ({"pools": [{"name": "a", "replicas": 3}]}, {}, False),
        ({"pools": [{"name": "a", "replicas": 3}, {"name": "b"}]}, {}, True),
        ({"pools": [{"name": "a", "replicas": None}]}, {}, True),
        ({"pools": [{"name": "a", "replicas": 3}]}, {"scales": True}, True),
        ({"pools": [{"name": "a", "replicas": 3}]}, {"scales": False}, False),
        ({"pools": "x"}, {}, False),
        ({"pools": [3, None]}, {}, False),
        (None, None, False),
    ],
)
def test_only_who_leaves_a_count_to_an_autoscaler_asks_for_them(
    api: MemoryApi, cluster: KubernetesCluster, spec: Any, status: Any, asked: bool
) -> None:
    body = {**api.objects[f"{builders.ROLLOUT_PATH}/chat"], "spec": spec, "status": status}
    assert has_scales(body) is asked
    api.denied.add(("GET", "samplerpools"))
    api.requests.clear()
    assert cluster.children(body).observation.scales is asked
    assert any("samplerpools" in path for _, path in api.requests) is asked


@pytest.mark.parametrize("spec", [None, {}, {"replicas": 0}, {"replicas": 201}, {"replicas": "3"}, {"replicas": 2.5}])
def test_a_count_that_no_schema_allows_is_none(spec: Any) -> None:
    assert counts_of(builders.rollout(), [wanted() | {"spec": spec}]) == {}


def test_one_of_another_name_asks_for_nothing_and_goes(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    apply_all(cluster, rollout, wanted())
    forged = wanted(50)
    forged["metadata"]["name"] = "zzz"
    api.answer("POST", PATH.rpartition("/")[0], query={"fieldManager": "somebody"}, body=forged)
    children = cluster.children(rollout)
    assert children.observation.counts == {"a": 3}
    assert [one["metadata"]["name"] for one in cluster.unwanted([wanted()], (), children)] == ["zzz"]


def test_a_count_of_nothing_is_refused(api: MemoryApi, cluster: KubernetesCluster, rollout: Obj) -> None:
    apply_all(cluster, rollout, wanted())
    for count in (0, 201):
        with pytest.raises(ClusterError):
            scaled(api, count)
    assert live(api)["spec"] == {"replicas": 3}


def test_who_scales_it_has_edited_nothing(api: MemoryApi, cluster: KubernetesCluster, rollout: Obj) -> None:
    apply_all(cluster, rollout, wanted())
    scaled(api, 8)
    children = cluster.children(rollout)
    assert children.observation.counts == {"a": 8}
    assert cluster.edits([wanted(8, 3)], children) == ()


def test_it_is_pruned_like_any_child_that_is_not_wanted(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    apply_all(cluster, rollout, wanted())
    children = cluster.children(rollout)
    (doomed,) = cluster.unwanted((), (), children)
    cluster.delete(rollout, doomed)
    assert PATH not in api.objects
