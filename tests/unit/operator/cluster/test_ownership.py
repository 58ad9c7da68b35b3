"""Whose an object is: what another one controls is never written, pruned or taken over."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.cluster.errors import ClusterError, NotOursError
from sampler_rollouts.cluster.kinds import kind_of

from tests.support.kube.api import MemoryApi
from tests.support.kube.fields import copied
from tests.unit.operator.cluster import builders
from tests.unit.operator.cluster.applying import apply_all
from tests.unit.operator.cluster.builders import DEPLOYMENTS

Obj = dict[str, Any]


ALL = (builders.record(), builders.service(), builders.deployment())


def test_a_stranger_of_the_same_name_is_never_taken_over(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    stranger = builders.deployment()
    stranger["metadata"]["ownerReferences"] = []
    api.put(f"{DEPLOYMENTS}/chat-a-r1", stranger)

    with pytest.raises(NotOursError, match="Deployment/chat-a-r1"):
        apply_all(cluster, rollout, builders.deployment(replicas=9))
    assert api.kinds("deployments")["chat-a-r1"]["spec"]["replicas"] == 2


def test_a_child_of_an_earlier_rollout_of_the_same_name_is_not_ours(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    old = builders.deployment()
    old["metadata"]["ownerReferences"] = builders.owner("uid-of-the-deleted-one")
    api.put(f"{DEPLOYMENTS}/chat-a-r1", old)

    assert cluster.children(rollout).observation.workloads == ()
    with pytest.raises(NotOursError):
        apply_all(cluster, rollout, builders.deployment())


@pytest.mark.parametrize("wanted", ALL, ids=lambda one: one["kind"])
@pytest.mark.parametrize(
    ("owners", "said"),
    [
        (builders.owner("uid-2", "SamplerRollout", "chat-a"), "SamplerRollout/chat-a controls it"),
        (builders.owner("uid-2", "StatefulSet", "db"), "StatefulSet/db controls it"),
        (builders.owner("uid-2"), "an earlier SamplerRollout of this name"),
        ([], "nobody controls it"),
    ],
)
def test_what_is_not_ours_is_named_with_its_owner_and_a_remedy(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj, wanted: Obj, owners: list[Obj], said: str
) -> None:
    """Also with our own label and field manager, as another rollout's child has them."""
    path = kind_of(wanted).path("serving", "chat-a-r1")
    theirs = api.put(path, {**wanted, "metadata": {**wanted["metadata"], "ownerReferences": owners}})
    theirs["metadata"]["managedFields"] = [{"manager": "sampler-rollouts", "operation": "Apply", "fieldsV1": {}}]
    before = copied(theirs)

    with pytest.raises(NotOursError, match=f"{wanted['kind']}/chat-a-r1.*{said}.*(rename|wait)"):
        apply_all(cluster, rollout, wanted)
    assert cluster.unwanted((), (), cluster.children(rollout)) == ()
    assert api.objects[path] == before
    assert api.writes == []


def test_a_stranger_that_comes_between_the_look_and_the_write_is_not_taken_over(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    def stranger(_: object) -> None:
        theirs = builders.deployment(replicas=7)
        theirs["metadata"]["ownerReferences"] = builders.owner("uid-2", name="chat-a")
        api.put(f"{DEPLOYMENTS}/chat-a-r1", theirs)

    api.before_write = stranger
    with pytest.raises(ClusterError):
        apply_all(cluster, rollout, builders.deployment())
    assert api.kinds("deployments")["chat-a-r1"]["spec"]["replicas"] == 7


def test_a_child_that_was_given_to_somebody_else_since_the_look_is_not_written(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    apply_all(cluster, rollout, builders.deployment())
    children = cluster.children(rollout)
    live = api.objects[f"{DEPLOYMENTS}/chat-a-r1"]
    live["metadata"]["ownerReferences"] = builders.owner("uid-2", name="chat-a")

    with pytest.raises(ClusterError):
        cluster.apply(rollout, builders.deployment(replicas=9), children)
    assert live["spec"]["replicas"] == 2
