"""Controllers in miniature: Deployments and their ReplicaSets, kubelet, endpoints, the garbage collector."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.support.kube import lives, owners
from tests.support.kube.api import MemoryApi
from tests.support.kube.fields import copied
from tests.support.kube.lives import WELL, Life

Obj = dict[str, Any]
ENDS_AFTER = 3.0
"""Seconds that a pod takes to end; the scripts' drain time-outs are longer."""


class Controllers:
    """What a cluster does by itself. ``run`` after each stretch of time."""

    def __init__(self, api: MemoryApi, clock: Callable[[], datetime]) -> None:
        self._api = api
        self._clock = clock
        self._serial = itertools.count(1)
        self.lives: dict[str, Life] = {}
        """By image."""
        self.fates: dict[str, Life] = {}
        """By pod's name, before its image's."""
        self.refused: dict[str, str] = {}
        """By image, why admission or a quota refuses its pods."""
        self.collecting = True
        """Whether the garbage collector runs."""
        self.on_scaled_away: Callable[[Obj], None] = lambda _: None
        """Called for each ready pod that a controller takes away."""

    def take_over(self, other: Controllers) -> None:
        """Go on where other controllers stopped."""
        self._serial = itertools.count(1_000)
        self.lives, self.fates, self.refused = dict(other.lives), dict(other.fates), dict(other.refused)

    def run(self) -> None:
        """One round of each."""
        if self.collecting:
            while owners.collect(self._api):
                pass
        for path, deployment in self._of("deployments"):
            if "deletionTimestamp" not in deployment["metadata"]:
                self._roll(path, deployment)
        for path, replicas in self._of("replicasets"):
            if "deletionTimestamp" not in replicas["metadata"]:
                self._scale(path, replicas)
        self._live()
        for path, service in self._of("services"):
            self._endpoints(path, service)

    def _of(self, plural: str) -> list[tuple[str, Obj]]:
        return [(path, obj) for path, obj in self._api.objects.items() if f"/{plural}/" in path]

    def _roll(self, path: str, deployment: Obj) -> None:
        """One ReplicaSet for each template that there has been; the present one has all pods.

        With the strategy Recreate it has none before the last pod of the others has ended.
        """
        spec, metadata = deployment["spec"], deployment["metadata"]
        digest = hashlib.sha256(json.dumps(spec["template"], sort_keys=True).encode()).hexdigest()[:8]
        mine = f"{path.replace('/deployments/', '/replicasets/')}-{digest}"
        others = [(p, one) for p, one in self._of("replicasets") if p != mine and _controller(one) == metadata["uid"]]
        for other, replicas in others:
            if replicas["spec"]["replicas"]:
                self._api.edit(other, lambda obj: obj["spec"].update(replicas=0))
        wait = spec.get("strategy", {}).get("type") == "Recreate" and self._any_pod_of(others)
        count = 0 if wait else spec["replicas"]
        if mine not in self._api.objects:
            made = _owned(f"{metadata['name']}-{digest}", deployment, "Deployment", metadata["labels"])
            wanted = {"replicas": count, "selector": spec["selector"], "template": spec["template"]}
            self._api.put(mine, made | {"spec": wanted})
        elif self._api.objects[mine]["spec"]["replicas"] != count:
            self._api.edit(mine, lambda obj: obj["spec"].update(replicas=count))
        image = spec["template"]["spec"]["containers"][0]["image"]
        self._tell_refusal(path, deployment, self.refused.get(image, ""))

    def _any_pod_of(self, replicasets: list[tuple[str, Obj]]) -> bool:
        uids = {one["metadata"]["uid"] for _, one in replicasets}
        return any(_controller(pod) in uids for _, pod in self._of("pods"))

    def _tell_refusal(self, path: str, deployment: Obj, why: str) -> None:
        told = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": why}
        wanted = [told] if why else []
        if (deployment.get("status") or {}).get("conditions", []) != wanted:
            self._api.edit(path, lambda obj: obj.setdefault("status", {}).update(conditions=wanted))

    def _scale(self, path: str, replicas: Obj) -> None:
        uid = replicas["metadata"]["uid"]
        mine = [(p, pod) for p, pod in self._of("pods") if _controller(pod) == uid]
        alive = [(p, pod) for p, pod in mine if "deletionTimestamp" not in pod["metadata"] and not is_over(pod)]
        surplus = len(alive) - replicas["spec"]["replicas"]
        # As the ReplicaSet controller does: what is not ready first, then the youngest.
        alive.sort(key=lambda item: (is_ready(item[1]), -int(item[0].rsplit("-", 1)[1])))
        for where, pod in alive[: max(0, surplus)]:
            self._api.answer("DELETE", where)
            if is_ready(pod):
                self.on_scaled_away(pod)
        image = replicas["spec"]["template"]["spec"]["containers"][0]["image"]
        for _ in range(-surplus if image not in self.refused else 0):
            self._create(path, replicas)

    def _create(self, path: str, replicas: Obj) -> None:
        name = f"{replicas['metadata']['name']}-{next(self._serial)}"
        template = replicas["spec"]["template"]
        pod = _owned(name, replicas, "ReplicaSet", template["metadata"]["labels"])
        folder = path.split("/replicasets/", maxsplit=1)[0].replace("/apis/apps/v1", "/api/v1")
        self._api.put(f"{folder}/pods/{name}", pod | {"spec": {**copied(template["spec"]), "nodeName": "node-1"}})

    def _live(self) -> None:
        """The kubelet: pods start, fail, and end."""
        now = self._clock()
        for path, pod in self._of("pods"):
            metadata = pod["metadata"]
            if is_over(pod):
                continue
            if ends := metadata.get("deletionTimestamp"):
                asked = datetime.fromisoformat(ends).timestamp() - metadata["deletionGracePeriodSeconds"]
                if now.timestamp() - asked >= ENDS_AFTER:
                    self._api.drop(path)
                    continue
            age = (now - datetime.fromisoformat(metadata["creationTimestamp"])).total_seconds()
            address, gates = address_of(metadata["name"]), _gates(pod)
            new = lives.status(self.life(pod), age, started=is_ready(pod), address=address, gates=gates)
            _stamp(pod.get("status") or {}, new, now.strftime("%Y-%m-%dT%H:%M:%SZ"))
            if pod.get("status") != new:
                self._api.edit(path, lambda obj, new=new: obj.update(status=new), "kubelet")  # type: ignore[misc]

    def life(self, pod: Obj) -> Life:
        """How this pod fares."""
        image = pod["spec"]["containers"][0]["image"]
        return self.fates.get(pod["metadata"]["name"]) or self.lives.get(image, WELL)

    def _endpoints(self, path: str, service: Obj) -> None:
        selector = (service.get("spec") or {}).get("selector") or {}
        folder = path.rsplit("/services/", 1)[0]
        pods = [pod for p, pod in self._of("pods") if p.startswith(folder + "/") and _matches(pod, selector)]
        here = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        all_ = service["spec"].get("publishNotReadyAddresses", False)
        ready = [_endpoint(pod) for pod in here if all_ or is_ready(pod)]
        rest = [_endpoint(pod) for pod in here if not all_ and not is_ready(pod)]
        subsets = [{"addresses": ready, "notReadyAddresses": rest}] if here else []
        target = path.replace("/services/", "/endpoints/")
        known = self._api.objects.get(target)
        if known is None:
            name = service["metadata"]["name"]
            owner = {"apiVersion": "v1", "kind": "Service", "name": name, "uid": service["metadata"]["uid"]}
            self._api.put(target, {"metadata": {"name": name, "ownerReferences": [owner]}, "subsets": subsets})
        elif _named(known.get("subsets")) != _named(subsets):
            self._api.edit(target, lambda obj: obj.update(subsets=subsets))


def _endpoint(pod: Obj) -> Obj:
    name = pod["metadata"]["name"]
    return {"ip": address_of(name), "targetRef": {"kind": "Pod", "name": name}}


def _named(subsets: list[Obj] | None) -> set[tuple[str, str]]:
    """Which pods are there, and as what; a server orders them as it likes."""
    parts = ("addresses", "notReadyAddresses")
    return {
        (part, one["targetRef"]["name"]) for each in subsets or [] for part in parts for one in each.get(part) or []
    }


def ready_in(endpoints: Obj) -> list[str]:
    """The pods that get a Service's requests."""
    return [one["targetRef"]["name"] for part in endpoints.get("subsets") or [] for one in part.get("addresses") or []]


def address_of(name: str) -> str:
    """A pod's own IP address: as good as unique."""
    return f"10.{'.'.join(str(part) for part in hashlib.sha256(name.encode()).digest()[:3])}"


def is_ready(pod: Obj) -> bool:
    """Whether the pod's Ready condition is true."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _stamp(before: Obj, new: Obj, now: str) -> None:
    """Whether it is ready is known with the time since when."""
    known = {one["type"]: one for one in before.get("conditions") or []}
    for one in new["conditions"]:
        old = known.get(one["type"], {})
        if one["type"] == "Ready":
            one["lastTransitionTime"] = old["lastTransitionTime"] if old.get("status") == one["status"] else now


def is_over(pod: Obj) -> bool:
    """Whether it has ended for good: it lies about until whoever made it goes."""
    return (pod.get("status") or {}).get("phase") == "Failed"


def _gates(pod: Obj) -> list[Obj]:
    """The conditions of its readiness gates; what nobody has said yet is not true."""
    told = {one["type"]: one for one in (pod.get("status") or {}).get("conditions") or []}
    names = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or []]
    return [told.get(name, {"type": name, "status": "False"}) for name in names]


def _matches(pod: Obj, selector: Obj) -> bool:
    return bool(selector) and selector.items() <= (pod["metadata"].get("labels") or {}).items()


def _controller(obj: Obj) -> str:
    owners_ = obj["metadata"].get("ownerReferences") or []
    return next((one["uid"] for one in owners_ if one.get("controller")), "")


def _owned(name: str, owner: Obj, kind: str, labels: Obj) -> Obj:
    metadata = owner["metadata"]
    reference = {"kind": kind, "name": metadata["name"], "uid": metadata["uid"], "apiVersion": "apps/v1"}
    reference |= {"controller": True, "blockOwnerDeletion": True}
    made = {"name": name, "namespace": metadata["namespace"], "labels": dict(labels), "ownerReferences": [reference]}
    return {"metadata": made}
