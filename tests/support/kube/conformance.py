"""What the operator relies on of an API server: calls and their results, told to the one in memory and to a real one.

Each case makes objects of its own name, and returns what it saw without identities and times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sampler_rollouts.cluster.errors import ClusterError
from sampler_rollouts.cluster.kinds import Kind

Obj = dict[str, Any]
ROLLOUT = Kind("samplerrollouts.io/v1alpha1", "SamplerRollout", "samplerrollouts")
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


class Server(Protocol):
    """An API server, real or not."""

    namespace: str

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Obj:
        """One request, or a ClusterError."""
        ...

    def watch(self, path: str, since: str) -> list[tuple[str, Obj]]:
        """What has happened under a path since a version."""
        ...

    def eventually(self, probe: Callable[[], bool]) -> bool:
        """Whether it becomes so when controllers have had their time."""
        ...


class Calls:
    """Short forms for what cases do."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def path(self, kind: Kind, name: str = "") -> str:
        """Of an object, or of all of a kind."""
        return kind.path(self.server.namespace, name)

    def get(self, kind: Kind, name: str) -> Obj:
        """Read."""
        return self.server.request("GET", self.path(kind, name))

    def apply(self, kind: Kind, body: Obj, who: str = "one", force: bool = False) -> Obj:
        """Server-side apply."""
        query = {"fieldManager": who, "force": "true" if force else "false"}
        target = self.path(kind, body["metadata"]["name"])
        full = {"apiVersion": kind.api_version, "kind": kind.kind, **body}
        return self.server.request("PATCH", target, query=query, body=full, content_type=APPLY)

    def merge(self, kind: Kind, name: str, body: Obj, who: str = "two") -> Obj:
        """A merge patch."""
        query = {"fieldManager": who}
        return self.server.request("PATCH", self.path(kind, name), query=query, body=body, content_type=MERGE)

    def delete(self, kind: Kind, name: str, policy: str = "Background", **preconditions: str) -> None:
        """Delete."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy}
        self.server.request(
            "DELETE", self.path(kind, name), body=body | ({"preconditions": preconditions} if preconditions else {})
        )

    def gone(self, kind: Kind, name: str) -> bool:
        """Whether it is not there, at last."""
        return self.server.eventually(lambda: fails(lambda: self.get(kind, name)) == "NotFound")


def fails(call: Callable[[], object]) -> str:
    """The reason of the error; empty if there is none."""
    try:
        call()
    except ClusterError as error:
        return error.reason
    return ""


def version(obj: Obj) -> str:
    """The object's."""
    found: str = obj["metadata"]["resourceVersion"]
    return found


def owners(obj: Obj, path: str) -> list[str]:
    """Managers of one field of ``spec``, in the server's notation."""
    found = []
    for entry in obj["metadata"]["managedFields"]:
        node = entry["fieldsV1"].get("f:spec", {})
        if path in node:
            found.append(entry["manager"])
    return sorted(found)


@dataclass(frozen=True)
class Case:
    """Calls, and what comes of them."""

    name: str
    play: Callable[[Calls], Any]
    expected: Any


CASES: list[Case] = []


def case(expected: Any) -> Callable[[Callable[[Calls], Any]], Callable[[Calls], Any]]:
    """Register a case."""

    def register(play: Callable[[Calls], Any]) -> Callable[[Calls], Any]:
        CASES.append(Case(play.__name__, play, expected))
        return play

    return register


def deployment(name: str, replicas: int | None = 0, env: Mapping[str, str] | None = None, **labels: str) -> Obj:
    """One without pods."""
    container: Obj = {"name": "sampler", "image": "registry.invalid/sampler:1"}
    if env:
        container["env"] = [{"name": key, "value": value} for key, value in env.items()]
    spec: Obj = {
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
    }
    spec |= {} if replicas is None else {"replicas": replicas}
    return {"metadata": {"name": name, "labels": {"app": name, **labels}}, "spec": spec}


def service(name: str, selector: Obj, *ports: int) -> Obj:
    """One with a cluster address."""
    listed = [{"name": f"p{port}", "port": port, "protocol": "TCP"} for port in ports or (80,)]
    return {"metadata": {"name": name}, "spec": {"selector": selector, "ports": listed}}


def record(name: str, owner: Obj | None = None, revision: int = 1, **labels: str) -> Obj:
    """A ControllerRevision, which no controller touches."""
    metadata: Obj = {"name": name, "labels": labels}
    if owner:
        metadata["ownerReferences"] = [reference(owner)]
    return {"metadata": metadata, "revision": revision, "data": {"template": {"spec": {}}}}


def reference(owner: Obj) -> Obj:
    """A controlling owner."""
    named = {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    both = {"controller": True, "blockOwnerDeletion": True}
    return {"apiVersion": "apps/v1", "kind": "ControllerRevision", **named, **both}


def rollout(name: str, **changes: Any) -> Obj:
    """The smallest."""
    pools = [{"name": "cpu", "replicas": 1, "image": f"registry.invalid/sampler@sha256:{'a' * 64}"}]
    return {"metadata": {"name": name}, "spec": {"pools": pools, "quality": {"designEffect": "1"}, **changes}}
