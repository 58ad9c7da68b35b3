"""A real API server and etcd for ``benchmarks.scale``, and what stands in for controllers and kubelets, as kwok would.

On free ports of the loopback address, in a folder of its own: it touches neither the local cluster nor needs root. No
other component runs. Pods are made for each Deployment and are ready at once; nothing else is done with anything.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from sampler_rollouts.cluster.errors import ClusterError, ConflictError, NotFoundError
from sampler_rollouts.cluster.transport import KubernetesApi

from benchmarks.scale_source import Source
from local import components, pki, tools
from local.health import probes
from local.settings import Settings, load

Obj = dict[str, Any]
LABEL = "samplerrollouts.io"
NAMESPACES = 20
THREADS = 8
BAD_IMAGE = "b" * 64


class Server:
    """etcd and kube-apiserver, as processes of this one."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="scale-"))
        self.settings = Settings(
            cache=load().cache,
            run=self.folder,
            node_ip="127.0.0.1",
            api_port=free_port(),
            etcd_port=free_port(),
            etcd_peer_port=free_port(),
        )
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Both, ready; keys and kubeconfig made; the resource known. KUBECONFIG of this process is set."""
        programs = tools.ensure(self.settings, ["etcd", "kube-apiserver"])
        self.settings.etc.mkdir(parents=True, exist_ok=True)
        pki.ensure(self.settings)
        lines = {
            "etcd": components._etcd(self.settings),
            # No controller makes tokens for pods, and no node is there for an endpoint of the API server itself.
            "kube-apiserver": [
                *components._apiserver(self.settings),
                "--disable-admission-plugins=ServiceAccount",
                "--endpoint-reconciler-type=none",
            ],
        }
        healthy = probes(self.settings)
        for name, arguments in lines.items():
            with (self.folder / f"{name}.log").open("ab") as log:
                command = [str(programs[name]), *arguments]
                self.processes[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            until(f"{name} to be healthy", healthy[name], 600)
        os.environ["KUBECONFIG"] = str(self.settings.kubeconfig)

    def end(self) -> None:
        """Both, as a machine that is shut down would; what they hold stays."""
        for process in reversed(self.processes.values()):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def stop(self) -> None:
        """Leave nothing."""
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)


def namespace(number: int) -> str:
    """Of the rollout with this number."""
    return f"team-{number % NAMESPACES}"


def prepare(api: KubernetesApi, crds: Path) -> None:
    """The resources and the namespaces."""
    for file in sorted(crds.glob("*.yaml")):
        body = yaml.safe_load(file.read_text())
        api.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body=body)
    for number in range(NAMESPACES):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace(number)}}
        api.request("POST", "/api/v1/namespaces", body=body)
    path = "/apis/samplerrollouts.io/v1alpha1"

    def served() -> bool:
        return any(one["name"] == "samplerrollouts" for one in api.request("GET", path)["resources"])

    until("the resource to be served", served, 60)


class Kubelets:
    """Pods for every Deployment with our label, ready as soon as they are made."""

    def __init__(self, api: KubernetesApi, source: Source) -> None:
        self._api = api
        self._source = source
        self._todo: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._wanted: dict[str, Obj] = {}
        self._pods: dict[str, list[str]] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._serial = 0
        self.made = 0
        self.problems: list[str] = []

    def start(self) -> None:
        """In threads of their own, which end with the process."""
        threading.Thread(target=self._watch, daemon=True).start()
        for _ in range(THREADS):
            threading.Thread(target=self._work, daemon=True).start()

    def _watch(self) -> None:
        version = ""
        path = "/apis/apps/v1/deployments"
        while True:
            try:
                if not version:
                    page = self._api.request("GET", path, query={"labelSelector": f"{LABEL}/rollout"})
                    version = page["metadata"]["resourceVersion"]
                    for item in page["items"]:
                        self._note(item)
                for event in _events(self._api, path, version):
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] in ("ADDED", "MODIFIED"):
                        self._note(event["object"])
                    elif event["type"] == "DELETED":
                        self._note(event["object"] | {"spec": {"replicas": 0}})
            except Exception as error:
                self.problems.append(f"watch: {type(error).__name__}: {error}"[:200])
                version = ""
                time.sleep(1)

    def _note(self, deployment: Obj) -> None:
        name = f"{deployment['metadata']['namespace']}/{deployment['metadata']['name']}"
        known = self._wanted.get(name)
        self._wanted[name] = deployment
        if known is None or known["spec"].get("replicas") != deployment["spec"].get("replicas"):
            self._locks.setdefault(name, threading.Lock())
            self._todo.put(name)

    def _work(self) -> None:
        while True:
            name = self._todo.get()
            try:
                with self._locks[name]:
                    self._scale(name, self._wanted[name])
            except ClusterError as error:
                self.problems.append(str(error)[:200])
                time.sleep(0.2)
                self._todo.put(name)

    def _scale(self, name: str, deployment: Obj) -> None:
        pods, wanted = self._pods.setdefault(name, []), deployment["spec"].get("replicas", 1)
        folder = f"/api/v1/namespaces/{deployment['metadata']['namespace']}/pods"
        while len(pods) > wanted:
            with suppress(NotFoundError):
                self._api.request("DELETE", f"{folder}/{pods[-1]}", body={"gracePeriodSeconds": 0})
            self._source.died(pods.pop())
        while len(pods) < wanted:
            self._serial += 1
            pods.append(self._make(folder, f"{deployment['metadata']['name']}-{self._serial:x}", deployment))

    def _make(self, folder: str, name: str, deployment: Obj) -> str:
        template, metadata = deployment["spec"]["template"], deployment["metadata"]
        container = template["spec"]["containers"][0]
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{metadata['name']}-rs", "controller": True}
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": metadata["namespace"],
                "labels": template["metadata"]["labels"],
                "ownerReferences": [{**owner, "uid": metadata["uid"]}],
            },
            "spec": {**template["spec"], "nodeName": "kwok-0"},
        }
        with suppress(ConflictError):
            self._api.request("POST", folder, body=body)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        running = {
            "name": container["name"],
            "ready": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now}},
        }
        running |= {"image": container["image"], "imageID": container["image"], "lastState": {}, "started": True}
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": now}
            for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        ]
        status = {"phase": "Running", "podIP": "10.0.0.1", "conditions": conditions, "containerStatuses": [running]}
        path, kind = f"{folder}/{name}/status", "application/merge-patch+json"
        self._api.request("PATCH", path, body={"status": status}, content_type=kind)
        labels = {one: template["metadata"]["labels"][f"{LABEL}/{one}"] for one in ("rollout", "pool", "revision")}
        labels |= {"namespace": metadata["namespace"], "pod": name}
        self._source.born(labels, BAD_IMAGE in container["image"])
        self.made += 1
        return name


def _events(api: KubernetesApi, path: str, version: str) -> Iterator[Obj]:
    """One watch, as JSON lines."""
    query = {"labelSelector": f"{LABEL}/rollout", "watch": "1", "resourceVersion": version, "timeoutSeconds": "300"}
    prepared = api._client.param_serialize(
        "GET", path, query_params=list(query.items()), header_params={"Accept": "application/json"}
    )
    answer = api._client.call_api(*prepared, _request_timeout=(3, 310)).response
    rest = b""
    for part in answer.stream(1 << 16, decode_content=True):
        *lines, rest = (rest + part).split(b"\n")
        yield from (json.loads(line) for line in lines if line)


def until(what: str, condition: Callable[[], object], seconds: float, pause: float = 0.2) -> float:
    """Wait for it, and say for how long. An API server that has no time to answer is asked again."""
    began = time.monotonic()
    while not _holds(condition):
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(pause)
    return time.monotonic() - began


def _holds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except ClusterError:
        return False


def free_port() -> int:
    """One of the loopback address that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
