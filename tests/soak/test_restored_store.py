"""An etcd that is restored from a backup: what the watches had told by then is newer than anything in it, and wrong."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sampler_rollouts.cluster.kinds import DEPLOYMENT, ROLLOUT, RolloutKey
from sampler_rollouts.cluster.mirror import Keeping, Mirror
from sampler_rollouts.cluster.transport import KubernetesApi

from benchmarks.scale import rollout
from benchmarks.scale_cluster import Server, namespace, prepare
from tests.support.waiting import wait_for
from tests.unit.operator.cluster.builders import Obj, deployment, labelled

ROOT = Path(__file__).resolve().parents[2]
KEY = RolloutKey(namespace(0), "chat")
DEPLOYMENTS = DEPLOYMENT.path(KEY.namespace)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("KUBECONFIG", "")  # put back afterwards
    one = Server()
    try:
        one.start()
        prepare(KubernetesApi(), ROOT / "crds")
        yield one
    finally:
        one.stop()


@pytest.mark.timeout(1200)
def test_a_restored_store_is_seen_as_it_is(server: Server) -> None:
    api = KubernetesApi()
    api.request("POST", ROLLOUT.path(KEY.namespace), body=rollout(0))
    make(api, "first")
    data, backup = server.settings.run / "etcd", server.folder / "backup"
    server.end()
    shutil.copytree(data, backup)
    server.start()

    mirror = Mirror(KubernetesApi())
    keeping = Keeping(mirror)
    keeping.start()
    try:
        for count in range(2000):
            scale(api, "first", count)
        make(api, "second")
        wait_for("both Deployments", lambda: seen(mirror) == {"first": 1999, "second": 2}, timeout=120)

        server.end()
        shutil.rmtree(data)
        shutil.copytree(backup, data)
        server.start()
        restored = time.monotonic()
        wait_for("the one of the backup", lambda: seen(mirror) == {"first": 2}, timeout=120, every=0.2)
        print(f"seen {time.monotonic() - restored:.0f} s after the restored API server was ready")  # noqa: T201
        scale(api, "first", 3)
        wait_for("what changes after that", lambda: seen(mirror) == {"first": 3}, timeout=5, every=0.1)
        assert mirror.keys() == [RolloutKey(KEY.namespace, "model-0")]
    finally:
        keeping.stop()


def make(api: KubernetesApi, name: str) -> None:
    body: Obj = deployment(revision=name)
    body["metadata"] = {"name": name, "namespace": KEY.namespace, "labels": labelled(revision=name)}
    api.request("POST", DEPLOYMENTS, body=body)


def scale(api: KubernetesApi, name: str, replicas: int) -> None:
    kind, body = "application/merge-patch+json", {"spec": {"replicas": replicas}}
    api.request("PATCH", f"{DEPLOYMENTS}/{name}", body=body, content_type=kind)


def seen(mirror: Mirror) -> dict[str, int] | None:
    """Replicas by name; None where a look would ask the API server."""
    known = mirror.of(DEPLOYMENT, KEY)
    return None if known is None else {one["metadata"]["name"]: one["spec"]["replicas"] for one in known}
