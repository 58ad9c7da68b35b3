"""The operator's real process against a real API server, in a namespace of its own. No pod of it ever has to run."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sampler_rollouts import crd
from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.cluster.errors import ConflictError, NotOursError
from sampler_rollouts.cluster.kinds import RolloutKey
from sampler_rollouts.cluster.transport import KubernetesApi
from sampler_rollouts.domain.outcome import EventNote
from sampler_rollouts.reconcile.reconciler import utc_now

from local.cluster import Cluster
from local.errors import LocalError
from tests.cluster.operator_process import (
    NAMESPACE,
    Obj,
    Operator,
    account,
    apply,
    children,
    is_complete,
    manifest,
    rights,
    status,
    until,
)
from tests.support.definition import install_crd

Start = Callable[..., Operator]


OURS = "app.kubernetes.io/part-of=sampler-rollouts,app.kubernetes.io/component=operator"


@pytest.fixture(scope="module")
def alone(cluster: Cluster) -> Iterator[None]:
    """An operator that a demo left in the cluster looks after all namespaces, ours too: it rests meanwhile."""
    found = json.loads(cluster.kubectl("get", "deployments", "-A", "-l", OURS, "-o", "json"))["items"]
    others = [(d["metadata"]["name"], d["metadata"]["namespace"]) for d in found if d["spec"]["replicas"]]
    for name, namespace in others:
        cluster.kubectl("scale", "deployment", name, "-n", namespace, "--replicas=0")
        cluster.kubectl("wait", "--for=delete", "pod", "-l", OURS, "-n", namespace, "--timeout=60s")
    yield
    for name, namespace in others:
        cluster.kubectl("scale", "deployment", name, "-n", namespace, "--replicas=1")


@pytest.fixture(scope="module")
def server(cluster: Cluster, alone: None) -> Iterator[Cluster]:
    """The cluster with our CRD and this module's namespace."""
    install_crd(cluster)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=60s")
    cluster.kubectl("create", "namespace", NAMESPACE)
    yield cluster
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture
def start(server: Cluster, tmp_path: Path) -> Iterator[Start]:
    """Starts the operator, as often as a test wants; whatever still runs afterwards is ended."""
    started: list[Operator] = []

    def begin(*flags: str, **named: str) -> Operator:
        started.append(Operator(tmp_path / "operator.log", *flags, **named))
        return started[-1]

    yield begin
    for operator in started:
        if operator.process.poll() is None:
            operator.end(signal.SIGKILL)


@pytest.fixture
def adapter(server: Cluster) -> Iterator[KubernetesCluster]:
    """Our adapter, without the process around it."""
    api = KubernetesApi()
    yield KubernetesCluster(api)
    api.close()


def test_children_are_applied_and_owned(server: Cluster, start: Start) -> None:
    start("--resync", "600")
    apply(server, manifest("owned"))
    found = until(lambda: is_complete(server, "owned"), "all children")
    owner = server.kubectl.get("samplerrollout", "owned", namespace=NAMESPACE)

    for child in found.values():
        (reference,) = child["metadata"]["ownerReferences"]
        assert (reference["uid"], reference["controller"]) == (owner["metadata"]["uid"], True)
    raw = server.kubectl.raw(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments")
    (deployment,) = [d for d in raw["items"] if d["metadata"]["name"].startswith("owned-")]
    assert "sampler-rollouts" in {e["manager"] for e in deployment["metadata"]["managedFields"]}
    assert status(server, "owned")["observedGeneration"] == 1
    assert "finalizers" not in owner["metadata"]
    assert not any(key.startswith("kopf") for key in owner["metadata"].get("annotations", {}))


def reconciled(operator: Operator, name: str) -> list[Obj]:
    """Reconciles of a rollout that went well."""
    wanted = {"rollout": f"{NAMESPACE}/{name}", "result": "success"}
    return [line for line in operator.said("reconciled") if wanted.items() <= line.items()]


def test_a_second_process_finds_nothing_to_write(server: Cluster, start: Start) -> None:
    first = start("--resync", "1")
    apply(server, manifest("twice"))
    before = until(lambda: is_complete(server, "twice"), "all children")
    first.end()
    second = start("--resync", "0.5")
    until(lambda: len(reconciled(second, "twice")) >= 3, "three reconciles")

    assert second.said("applied") == []
    assert second.said("pruned") == []
    after = children(server, "twice")
    assert {n: c["metadata"].get("generation") for n, c in after.items()} == {
        n: c["metadata"].get("generation") for n, c in before.items()
    }


def test_events_alone_call_it_quickly(server: Cluster, start: Start) -> None:
    """The resync is far away: what is noticed here is noticed by the watch."""
    start("--resync", "600")
    apply(server, manifest("quick"))
    (deployment,) = (n for n in until(lambda: is_complete(server, "quick"), "children") if n.startswith("Dep"))
    server.kubectl("delete", "deployment", deployment.split("/")[1], "-n", NAMESPACE, "--wait=false")
    until(lambda: is_complete(server, "quick"), "the deleted Deployment again", 10)


def test_what_is_no_longer_wanted_is_pruned(server: Cluster, start: Start) -> None:
    start("--resync", "600")
    apply(server, manifest("pruned", "a"))
    old = until(lambda: is_complete(server, "pruned"), "the first release's children")
    apply(server, manifest("pruned", "b"))

    def replaced() -> bool:
        """The old release's record may stay: it is what the release would come back from."""
        live = {name for name in children(server, "pruned") if not name.startswith("ControllerRevision")}
        return len(live) == 3 and len(live - old.keys()) == 2

    until(replaced, "only the second release's Deployment and Service", 40)


def test_an_edit_by_a_stranger_is_put_back(server: Cluster, start: Start) -> None:
    start("--resync", "600")
    apply(server, manifest("edited"))
    found = until(lambda: is_complete(server, "edited"), "children")
    name = next(n.split("/")[1] for n in found if n.startswith("Deployment"))
    server.kubectl("scale", "deployment", name, "--replicas=3", "-n", NAMESPACE)

    def restored() -> bool:
        live = server.kubectl.get("deployment", name, namespace=NAMESPACE)
        return bool(live["spec"]["replicas"] == 1 and live["metadata"]["generation"] >= 3)

    until(restored, "the replicas that the spec asks for")


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.2, 0.4, 0.8])
def test_killed_at_any_time_it_converges(server: Cluster, start: Start, delay: float) -> None:
    name = f"killed-{int(delay * 1000)}"
    victim = start("--resync", "600")
    until(lambda: victim.said("started"), "the process")
    apply(server, manifest(name))
    time.sleep(delay)
    victim.end(signal.SIGKILL)
    start("--resync", "600")

    until(lambda: is_complete(server, name), "all children")
    assert len([n for n in children(server, name) if n.startswith("Deployment")]) == 1


def test_deleting_leaves_nothing_also_while_the_operator_is_down(server: Cluster, start: Start) -> None:
    operator = start("--resync", "600")
    apply(server, manifest("deleted"))
    until(lambda: is_complete(server, "deleted"), "children")
    operator.end(signal.SIGKILL)
    server.kubectl("delete", "samplerrollout", "deleted", "-n", NAMESPACE, "--timeout=20s")

    until(lambda: not children(server, "deleted"), "no children", 60)


def test_it_ends_in_order_when_told_to(server: Cluster, start: Start) -> None:
    operator = start()
    until(lambda: operator.said("started"), "the process")
    time.sleep(1)
    began = time.monotonic()

    assert operator.end(signal.SIGTERM) == 0
    assert time.monotonic() - began < 10


def test_an_unknown_field_is_refused(server: Cluster) -> None:
    with pytest.raises(LocalError, match="unknown field"):
        apply(server, manifest("unknown", strategie={}))


def test_a_status_over_an_older_look_is_a_conflict(server: Cluster, adapter: KubernetesCluster) -> None:
    apply(server, manifest("conflict"))
    key = RolloutKey(NAMESPACE, "conflict")
    rollout = adapter.read(key)
    assert rollout is not None
    server.kubectl("annotate", "samplerrollout", "conflict", "-n", NAMESPACE, "edited=meanwhile")

    with pytest.raises(ConflictError):
        adapter.write_status(rollout, {"observedGeneration": 7})
    assert status(server, "conflict") == crd.NOT_SEEN
    fresh = adapter.read(key)
    assert fresh is not None
    adapter.write_status(fresh, {"observedGeneration": 7})
    assert status(server, "conflict") == {"observedGeneration": 7}


def test_a_stranger_of_the_same_name_is_left_alone(server: Cluster, adapter: KubernetesCluster) -> None:
    apply(server, manifest("stranger"))
    server.kubectl("create", "service", "clusterip", "stranger-standard", "--tcp=80", "-n", NAMESPACE)
    rollout = adapter.read(RolloutKey(NAMESPACE, "stranger"))
    assert rollout is not None
    labels = {"samplerrollouts.io/rollout": "stranger"}
    owner = {"apiVersion": rollout["apiVersion"], "kind": "SamplerRollout", "name": "stranger", "controller": True}
    wanted = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "stranger-standard",
            "labels": labels,
            "ownerReferences": [{**owner, "uid": rollout["metadata"]["uid"]}],
        },
        "spec": {"selector": {"stolen": "traffic"}, "ports": [{"port": 80}]},
    }

    with pytest.raises(NotOursError):
        adapter.apply(rollout, wanted, adapter.children(rollout))
    kept = server.kubectl.get("service", "stranger-standard", namespace=NAMESPACE)
    assert kept["spec"]["selector"] == {"app": "stranger-standard"}


def test_an_event_said_twice_is_one_event(server: Cluster, adapter: KubernetesCluster) -> None:
    apply(server, manifest("said"))
    rollout = adapter.read(RolloutKey(NAMESPACE, "said"))
    assert rollout is not None
    for _ in range(3):
        adapter.record(rollout, EventNote("Warning", "RolledBack", "for a test"), utc_now())

    selector = "--field-selector=involvedObject.name=said,reason=RolledBack"
    found = json.loads(server.kubectl("get", "events", "-n", NAMESPACE, selector, "-o", "json"))["items"]
    assert [event["series"]["count"] for event in found] == [3]
    assert "for a test" in server.kubectl("describe", "samplerrollout", "said", "-n", NAMESPACE)


def test_the_charts_rights_are_enough_and_no_more(server: Cluster, start: Start, tmp_path: Path) -> None:
    """A whole life with nothing but the role: kopf's watches, children, an edit, pruning, Events."""
    server.kubectl("apply", "-f", "-", stdin=rights(server))
    operator = start("--resync", "600", kubeconfig=account(server, tmp_path))
    apply(server, manifest("rights", "a"))
    old = until(lambda: is_complete(server, "rights"), "children")
    name = next(n.split("/")[1] for n in old if n.startswith("Deployment"))
    server.kubectl("scale", "deployment", name, "--replicas=2", "-n", NAMESPACE)
    until(lambda: len(operator.said("applied")) >= 5, "the edit put back")
    apply(server, manifest("rights", "b"))
    until(lambda: len(operator.said("pruned")) >= 2, "the first release pruned", 40)
    selector = "--field-selector=involvedObject.name=rights"
    assert json.loads(server.kubectl("get", "events", "-n", NAMESPACE, selector, "-o", "json"))["items"]

    complaints = [line for line in operator.lines() if line["level"] in ("warning", "error")]
    # Other tests' rollouts live on in this namespace, one of them with a stranger in its place.
    unheard_of = [line for line in complaints if line.get("rollout") in (None, f"{NAMESPACE}/rights")]
    assert [line for line in unheard_of if "no --config" not in line["message"]] == []
    assert not [line for line in complaints if "Denied" in line["message"]]
    me = f"--as=system:serviceaccount:{NAMESPACE}:rel-sampler-rollouts"
    for verb, kind in [("get", "secrets"), ("create", "pods"), ("delete", "pods"), ("update", "samplerrollouts")]:
        with pytest.raises(LocalError):
            server.kubectl("auth", "can-i", verb, kind, "-n", NAMESPACE, me)
