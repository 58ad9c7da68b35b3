"""The adapter against an API server in memory."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import pytest
from sampler_rollouts.cluster.adapter import Children, KubernetesCluster
from sampler_rollouts.cluster.errors import ConflictError, DeniedError, RefusedError
from sampler_rollouts.cluster.kinds import RolloutKey
from sampler_rollouts.domain.observation import Mark, Sibling
from sampler_rollouts.domain.outcome import EventNote
from sampler_rollouts.domain.together import Together

from tests.support.kube.api import MemoryApi
from tests.unit.operator.cluster import builders
from tests.unit.operator.cluster.applying import apply_all
from tests.unit.operator.cluster.builders import DEPLOYMENTS, EVENTS, PODS, ROLLOUT_PATH, SERVICES

NOW = datetime(2026, 1, 2, tzinfo=UTC)
Obj = dict[str, Any]


def prune(cluster: KubernetesCluster, rollout: Obj, wanted: tuple[Obj, ...], keep: Collection[str] = ()) -> int:
    """How many were asked to go."""
    doomed = cluster.unwanted(wanted, keep, cluster.children(rollout))
    for child in doomed:
        cluster.delete(rollout, child)
    return len(doomed)


ALL = (builders.record(), builders.service(), builders.deployment())


def test_a_rollout_that_is_gone_is_none(cluster: KubernetesCluster) -> None:
    assert cluster.read(RolloutKey("serving", "nobody")) is None


def test_siblings_say_what_failed(cluster: KubernetesCluster) -> None:
    rollout = cluster.read(RolloutKey("serving", "chat"))
    assert rollout is not None
    failed = [{"hash": "2", "at": "2026-01-02T03:04:05Z", "reason": "CheckFailed", "suspects": ["image x"]}]
    cluster.write_status(rollout, {"stable": {"hash": "1", "since": "2026-01-02T03:04:05Z"}, "failed": failed})
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    said = (Sibling(("serving", "chat"), "1", (Mark("2", "image x", at),)),)
    assert cluster.siblings(Together(("serving",))) == said
    assert cluster.siblings(Together(("elsewhere",))) == ()


def test_of_all_namespaces_that_are_heeded_one_listing_is_asked_for(api: MemoryApi, cluster: KubernetesCluster) -> None:
    for namespace in ("team-b", "other"):
        body = builders.rollout() | {"metadata": {"name": "chat", "namespace": namespace}}
        api.put(f"/apis/samplerrollouts.io/v1alpha1/namespaces/{namespace}/samplerrollouts/chat", body)
    api.requests.clear()
    found = cluster.siblings(Together(("serving", "team-*")))
    assert {one.place for one in found} == {("serving", "chat"), ("team-b", "chat")}
    assert api.requests == [("GET", "/apis/samplerrollouts.io/v1alpha1/samplerrollouts")]


def test_where_some_namespaces_are_watched_only_those_are_asked_for(api: MemoryApi, cluster: KubernetesCluster) -> None:
    api.requests.clear()
    found = cluster.siblings(Together(("*",), ("serving", "team-b")))
    assert [one.place for one in found] == [("serving", "chat")]
    assert {path.split("/")[-2] for _, path in api.requests} == {"serving", "team-b"}


def test_one_namespace_that_may_not_be_read_silences_no_other(api: MemoryApi, cluster: KubernetesCluster) -> None:
    class Denying:
        def request(self, method: str, path: str, **more: Any) -> Obj:
            if "/team-b/" in path:
                raise DeniedError("no Role there")
            return api.request(method, path, **more)

    denying = KubernetesCluster(Denying())
    assert [one.place for one in denying.siblings(Together(("*",), ("serving", "team-b")))] == [("serving", "chat")]
    with pytest.raises(DeniedError):
        denying.siblings(Together(("team-b",)))


def test_templates_are_read_by_name_as_far_as_they_are_there(api: MemoryApi, cluster: KubernetesCluster) -> None:
    folder = "/apis/samplerrollouts.io/v1alpha1/clusterchecktemplates"
    spec = {"gauge": "eval_score", "runsMetric": "eval_runs_total", "largest": 100}
    for name, content in (("eval", spec), ("broken", {"gauge": "eval_score"})):
        api.objects[f"{folder}/{name}"] = {"metadata": {"name": name}, "spec": content}
    found = cluster.check_templates(["eval", "broken", "gone", "../samplerrollouts", ""])
    assert {name: one.metrics for name, one in found.items()} == {"eval": ("eval_score", "eval_runs_total")}
    assert found["eval"].largest == 100
    api.denied.add(("GET", "clusterchecktemplates"))
    assert cluster.check_templates(["eval"]) == {}


def test_keys_of_all_and_of_chosen_namespaces(cluster: KubernetesCluster) -> None:
    assert cluster.keys() == [RolloutKey("serving", "chat")]
    assert cluster.keys(["serving"]) == [RolloutKey("serving", "chat")]
    assert cluster.keys(["elsewhere"]) == []


def test_applying_twice_is_applying_once(api: MemoryApi, cluster: KubernetesCluster, rollout: Obj) -> None:
    assert apply_all(cluster, rollout, *ALL) == [True, True, True]
    writes = len(api.writes)

    assert apply_all(cluster, rollout, *ALL) == [False, False, False]
    assert len(api.writes) == writes


def test_a_change_is_applied_and_only_that(api: MemoryApi, cluster: KubernetesCluster, rollout: Obj) -> None:
    apply_all(cluster, rollout, *ALL)

    assert apply_all(cluster, rollout, *ALL[:2], builders.deployment(replicas=5)) == [False, False, True]
    assert api.kinds("deployments")["chat-a-r1"]["spec"]["replicas"] == 5


def test_our_label_is_put_back(api: MemoryApi, cluster: KubernetesCluster, rollout: Obj) -> None:
    apply_all(cluster, rollout, builders.deployment())
    del api.objects[f"{DEPLOYMENTS}/chat-a-r1"]["metadata"]["labels"]["samplerrollouts.io/rollout"]

    assert apply_all(cluster, rollout, builders.deployment()) == [True]
    assert cluster.children(rollout).find("Deployment", "chat-a-r1") is not None


def test_a_child_that_is_being_deleted_is_not_written(api: MemoryApi, cluster: KubernetesCluster, rollout: Obj) -> None:
    apply_all(cluster, rollout, builders.deployment())
    api.objects[f"{DEPLOYMENTS}/chat-a-r1"]["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"

    with pytest.raises(ConflictError, match="still being deleted"):
        apply_all(cluster, rollout, builders.deployment(replicas=3))


def test_a_child_replaced_since_the_look_is_not_written(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    apply_all(cluster, rollout, builders.deployment())
    children = cluster.children(rollout)
    api.objects[f"{DEPLOYMENTS}/chat-a-r1"]["metadata"]["uid"] = "another"

    with pytest.raises(ConflictError):
        cluster.apply(rollout, builders.deployment(replicas=3), children)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: m.update(namespace="elsewhere"),
        lambda m: m["labels"].pop("samplerrollouts.io/rollout"),
        lambda m: m["ownerReferences"].clear(),
    ],
)
def test_what_could_not_be_cleaned_up_is_never_written(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj, spoil: Any
) -> None:
    wanted = builders.deployment()
    spoil(wanted["metadata"])

    with pytest.raises(ValueError, match=r"namespace|label"):
        apply_all(cluster, rollout, wanted)
    assert api.writes == []


def test_a_kind_that_is_no_child_is_refused(cluster: KubernetesCluster, rollout: Obj) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": builders.metadata("s", pool="a", revision="r1")}

    with pytest.raises(ValueError, match="Secret"):
        apply_all(cluster, rollout, secret)


def test_prune_takes_deployments_first_and_the_rest_once_the_pods_are_gone(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    other = (builders.record("a", "r2"), builders.service("a", "r2"), builders.deployment("a", "r2"))
    apply_all(cluster, rollout, *ALL, *other)
    api.put(f"{PODS}/p1", builders.pod("p1", "a", "r2", **builders.ready()))
    api.writes.clear()

    assert prune(cluster, rollout, ALL) == 1
    assert prune(cluster, rollout, ALL) == 0
    del api.objects[f"{PODS}/p1"]
    assert prune(cluster, rollout, ALL) == 2
    assert [path.split("/")[-2:] for _, path in api.writes] == [
        ["deployments", "chat-a-r2"],
        ["services", "chat-a-r2"],
        ["controllerrevisions", "chat-a-r2"],
    ]
    assert set(api.kinds("deployments")) == set(api.kinds("services")) == {"chat-a-r1"}


def test_prune_keeps_what_is_to_be_kept(api: MemoryApi, cluster: KubernetesCluster, rollout: Obj) -> None:
    apply_all(cluster, rollout, *ALL, builders.deployment("a", "r2"))

    assert prune(cluster, rollout, (), {"chat-a-r1"}) == 1
    assert set(api.kinds("deployments")) == {"chat-a-r1"}


def test_prune_touches_nothing_of_somebody_else(api: MemoryApi, cluster: KubernetesCluster, rollout: Obj) -> None:
    labelled_only = builders.service("a", "r7")
    labelled_only["metadata"]["ownerReferences"] = []
    api.put(f"{SERVICES}/mine", labelled_only)
    api.put(f"{PODS}/p1", builders.pod())

    assert prune(cluster, rollout, ()) == 0
    assert api.writes == []


def test_what_is_gone_already_is_no_error(api: MemoryApi, cluster: KubernetesCluster, rollout: Obj) -> None:
    apply_all(cluster, rollout, builders.deployment())
    (child,) = cluster.unwanted((), (), cluster.children(rollout))
    del api.objects[f"{DEPLOYMENTS}/chat-a-r1"]

    cluster.delete(rollout, child)


def test_a_child_replaced_since_the_look_is_not_deleted(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    apply_all(cluster, rollout, builders.deployment())
    (child,) = cluster.unwanted((), (), cluster.children(rollout))
    api.objects[f"{DEPLOYMENTS}/chat-a-r1"]["metadata"]["uid"] = "another"

    with pytest.raises(ConflictError):
        cluster.delete(rollout, child)
    assert set(api.kinds("deployments")) == {"chat-a-r1"}


def test_the_status_is_written_once_and_only_over_what_was_read(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    status = {"observedGeneration": 1}
    written = cluster.write_status(rollout, status)

    assert cluster.write_status(written, status) is written
    assert len(api.writes) == 1
    with pytest.raises(ConflictError):
        cluster.write_status(rollout, {"observedGeneration": 2})


def test_the_status_of_a_deleted_rollout_is_a_conflict(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    del api.objects[f"{ROLLOUT_PATH}/chat"]

    with pytest.raises(ConflictError):
        cluster.write_status(rollout, {"x": 1})


def test_an_event_said_again_is_counted(api: MemoryApi, cluster: KubernetesCluster, rollout: Obj) -> None:
    note = EventNote("Warning", "RolledBack", "unexpected-script in pool a")
    for _ in range(3):
        cluster.record(rollout, note, NOW)
    cluster.record(rollout, EventNote("Normal", "Promoted", "all pools"), NOW)

    said = {event["reason"]: event for event in api.kinds("events").values()}
    assert said["RolledBack"]["series"]["count"] == 3
    assert "series" not in said["Promoted"]
    assert said["RolledBack"]["regarding"]["uid"] == "uid-chat"


def test_a_long_event_fits(api: MemoryApi, cluster: KubernetesCluster, rollout: Obj) -> None:
    cluster.record(rollout, EventNote("Warning", "RolledBack", "ไ" * 1000), NOW)

    (event,) = api.kinds("events").values()
    assert len(event["note"].encode()) <= 1024


def test_an_event_that_cannot_be_recorded_stops_nothing(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    def refuse(_: object) -> None:
        raise RefusedError("no events here")

    api.before_write = refuse

    cluster.record(rollout, EventNote("Normal", "Promoted", "x"), NOW)

    assert not any(path.startswith(EVENTS) for path in api.objects)


def test_children_that_were_not_looked_at_are_found_before_creating(
    api: MemoryApi, cluster: KubernetesCluster, rollout: Obj
) -> None:
    apply_all(cluster, rollout, builders.deployment())

    stale = Children(observation=cluster.children(rollout).observation)
    assert cluster.apply(rollout, builders.deployment(replicas=4), stale)
    assert api.kinds("deployments")["chat-a-r1"]["spec"]["replicas"] == 4
