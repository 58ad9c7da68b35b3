"""A real etcd, API server and controllers on free ports, and what stands in for nodes: pods that are soon ready."""

from __future__ import annotations

import ssl
import subprocess
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from sampler_rollouts.cluster.errors import ClusterError, UnavailableError
from sampler_rollouts.cluster.transport import KubernetesApi, snapshot
from sampler_rollouts.domain.render import LABEL_POOL, LABEL_REVISION, LABEL_ROLLOUT

from benchmarks.scale_cluster import Server, free_port, until
from benchmarks.scale_source import Source
from local import components, tools
from local.health import answers
from tests.support.kube.controllers import address_of
from tests.support.scenarios.specs import build_of

Obj = dict[str, Any]
MANAGER = "kube-controller-manager"
CONTROLLERS = ("deployment", "replicaset", "endpointslice", "garbage-collector")
"""All that a rollout has to do with. No scheduler: nobody but ``Nodes`` runs a pod."""
SCRAPE = 1.0
TOKENS = 500.0
"""A second: a release has enough of them after a few seconds."""
NODE = "nowhere"
READY_AFTER = 0.5
ENDS_AFTER = 1.0
"""Seconds of a pod."""
EACH = 0.2
PATIENCE = 120.0
"""Seconds: an operator that is killed comes back in a few, and everything shares one machine."""
MERGE = "application/merge-patch+json"


class ControlPlane(Server):
    """Processes of this one, in a folder of their own; KUBECONFIG is set for it."""

    def start(self) -> None:
        """All of them, ready."""
        super().start()
        port = free_port()
        arguments = [
            *components._controller_manager(self.settings),
            f"--secure-port={port}",
            f"--controllers={','.join(f'{one}-controller' for one in CONTROLLERS)}",
        ]
        program = tools.ensure(self.settings, [MANAGER])[MANAGER]
        with (self.folder / f"{MANAGER}.log").open("ab") as log:
            command = [str(program), *arguments]
            self.processes[MANAGER] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        unverified = ssl._create_unverified_context()
        url = f"https://127.0.0.1:{port}/healthz"
        until(f"{MANAGER} to be healthy", lambda: answers(url, unverified), 120)


class Patient(KubernetesApi):
    """A test's own requests: each may be made twice, and an API server that has no time is no fault of the operator."""

    def request(self, method: str, path: str, **more: Any) -> Obj:
        """Asked again until it is answered."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return super().request(method, path, **more)
            except UnavailableError:
                if time.monotonic() > end:
                    raise


class Nodes:
    """Takes up each pod of a rollout, has it soon ready, and lets it end; ``source`` counts what it answers."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api
        self.source = Source(1, SCRAPE, TOKENS)
        self.bad: set[str] = set()
        """Builds whose pods answer badly from their beginning."""
        self.problems: list[str] = []
        self._since: dict[str, float] = {}
        self._ending: dict[str, float] = {}
        self._serving: dict[str, str] = {}
        """By uid, the names of those that are scraped."""
        self._stopping = threading.Event()

    def start(self) -> None:
        """In a thread of its own. Pods of a node that is not there are no endpoints of any Service."""
        self._api.request("POST", "/api/v1/nodes", body={"metadata": {"name": NODE}})
        threading.Thread(target=self._keep, name="nodes", daemon=True).start()

    def stop(self) -> None:
        """Look after nobody any more."""
        self._stopping.set()

    def _keep(self) -> None:
        while not self._stopping.wait(EACH):
            try:
                self._look()
            except ClusterError as error:
                self.problems.append(str(error)[:300])

    def _look(self) -> None:
        pods, _ = snapshot(self._api, "/api/v1/pods", {"labelSelector": f"{LABEL_ROLLOUT},{LABEL_POOL}"})
        for pod in pods:
            with suppress(ClusterError):  # it has changed since, and is seen again
                self._care(pod, time.monotonic())
        self._gone({pod["metadata"]["uid"] for pod in pods})

    def _care(self, pod: Obj, now: float) -> None:
        metadata, uid = pod["metadata"], pod["metadata"]["uid"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        if "deletionTimestamp" in metadata:
            self._quiet(uid)
            if now - self._ending.setdefault(uid, now) >= ENDS_AFTER:
                self._api.request("DELETE", path, body={"gracePeriodSeconds": 0, "preconditions": {"uid": uid}})
        elif not pod["spec"].get("nodeName"):
            target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
            body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": metadata["name"]}, "target": target}
            self._api.request("POST", f"{path}/binding", body=body)
            self._since[uid] = now
        elif uid not in self._serving and now - self._since.setdefault(uid, now) >= READY_AFTER:
            self._api.request("PATCH", f"{path}/status", body={"status": _ready(pod)}, content_type=MERGE)
            self._serving[uid] = metadata["name"]
            labels = {"namespace": metadata["namespace"], "pod": metadata["name"]}
            told = {"rollout": LABEL_ROLLOUT, "pool": LABEL_POOL, "revision": LABEL_REVISION}
            labels |= {name: metadata["labels"][label] for name, label in told.items()}
            self.source.born(labels, build_of(pod["spec"]["containers"][0]["image"]) in self.bad)

    def _quiet(self, uid: str) -> None:
        if uid in self._serving:
            self.source.died(self._serving.pop(uid))

    def _gone(self, there: Iterable[str]) -> None:
        for uid in self._serving.keys() - there:
            self._quiet(uid)


def _ready(pod: Obj) -> Obj:
    """As a kubelet says it."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    containers = [
        {
            "name": one["name"],
            "image": one["image"],
            "imageID": one["image"],
            "ready": True,
            "started": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now}},
            "lastState": {},
        }
        for one in pod["spec"]["containers"]
    ]
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": now}
        for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ]
    address = address_of(pod["metadata"]["name"])
    told = {"podIP": address, "podIPs": [{"ip": address}], "startTime": now}
    return {"phase": "Running", "conditions": conditions, "containerStatuses": containers, **told}
