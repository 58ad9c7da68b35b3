"""Objects as the API server shows them."""

from __future__ import annotations

from typing import Any

NAMESPACE = "serving"
ROLLOUT_PATH = f"/apis/samplerrollouts.io/v1alpha1/namespaces/{NAMESPACE}/samplerrollouts"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
REVISIONS = f"/apis/apps/v1/namespaces/{NAMESPACE}/controllerrevisions"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
EVENTS = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"

Obj = dict[str, Any]


def rollout(name: str = "chat", uid: str = "uid-chat", spec: Obj | None = None) -> Obj:
    """A SamplerRollout."""
    return {
        "apiVersion": "samplerrollouts.io/v1alpha1",
        "kind": "SamplerRollout",
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": uid, "generation": 1},
        "spec": spec or {},
    }


def labelled(pool: str = "a", revision: str = "r1", rollout: str = "chat") -> dict[str, str]:
    """The labels of a child."""
    prefix = "samplerrollouts.io"
    return {f"{prefix}/rollout": rollout, f"{prefix}/pool": pool, f"{prefix}/revision": revision}


def owner(uid: str = "uid-chat", kind: str = "SamplerRollout", name: str = "chat") -> list[Obj]:
    """A controlling owner."""
    return [{"apiVersion": "v", "kind": kind, "name": name, "uid": uid, "controller": True, "blockOwnerDeletion": True}]


def metadata(name: str, **labels: str) -> Obj:
    """Metadata of a wanted child."""
    return {"name": name, "namespace": NAMESPACE, "labels": labelled(**labels), "ownerReferences": owner()}


def deployment(pool: str = "a", revision: str = "r1", replicas: int = 2) -> Obj:
    """A wanted Deployment."""
    container = {
        "name": "sampler",
        "image": "sampler@sha256:0",
        "env": [{"name": "A", "value": "1"}],
        "ports": [{"name": "http", "containerPort": 8000}],
        "resources": {"requests": {"cpu": "1000m", "memory": "1Gi"}},
    }
    labels = labelled(pool, revision)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(f"chat-{pool}-{revision}", pool=pool, revision=revision),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def service(pool: str = "a", revision: str = "r1") -> Obj:
    """A wanted Service."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(f"chat-{pool}-{revision}", pool=pool, revision=revision),
        "spec": {"selector": labelled(pool, revision), "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    }


def record(pool: str = "a", revision: str = "r1") -> Obj:
    """A wanted ControllerRevision."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata(f"chat-{pool}-{revision}", pool=pool, revision=revision),
        "revision": 1,
        "data": {"template": {"spec": {}}},
    }


def pod(name: str = "p1", pool: str = "a", revision: str = "r1", **status: Any) -> Obj:
    """A pod of a Deployment of ours."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": labelled(pool, revision),
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "ownerReferences": owner("uid-rs", "ReplicaSet", f"chat-{pool}-{revision}-abc"),
        },
        "status": status,
    }


def ready() -> Obj:
    """The status of a pod that serves."""
    return {
        "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "sampler", "restartCount": 0, "state": {"running": {}}}],
    }


def builders_of_strangers(api: Any, name: str) -> None:
    """Somebody else's Deployment with the name of one of ours."""
    api.put(f"{DEPLOYMENTS}/{name}", {"kind": "Deployment", "metadata": {"name": name}, "spec": {"mine": True}})
