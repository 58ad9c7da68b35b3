"""The operator's process, and what the API tests ask of the cluster around it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from local.cluster import Cluster

NAMESPACE = "operator-api"
CHART = Path(__file__).parents[2] / "charts" / "sampler-rollouts"
KINDS = ("deployments.apps", "services", "controllerrevisions.apps")
COMPLETE = ["ControllerRevision", "Deployment", "Service", "Service"]
Obj = dict[str, Any]


def image(letter: str) -> str:
    """By digest, and nowhere to be found."""
    return f"registry.invalid/sampler@sha256:{letter * 64}"


def manifest(name: str, letter: str = "a", **spec: Any) -> Obj:
    """A SamplerRollout with one pool."""
    pools = [{"name": "cpu", "replicas": 1, "image": image(letter)}]
    return {
        "apiVersion": "samplerrollouts.io/v1alpha1",
        "kind": "SamplerRollout",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"pools": pools, "quality": {"designEffect": "1"}, "rollback": {"drainTimeout": "5s"}, **spec},
    }


def until(condition: Callable[[], Any], what: str, seconds: float = 20) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
    return answer


class Operator:
    """The process, as ``python3 -m sampler_rollouts`` starts it."""

    def __init__(self, log: Path, *flags: str, kubeconfig: str = "", namespace: str = NAMESPACE) -> None:
        self._log = log.open("a+")
        environ = {**os.environ, **({"KUBECONFIG": kubeconfig} if kubeconfig else {})}
        options = ("--namespace", namespace, "--probe-port", "0", "--log-level", "debug", *flags)
        self._began = self._log.tell()
        command = [sys.executable, "-m", "sampler_rollouts", *options]
        self.process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT, env=environ)

    def lines(self) -> list[Obj]:
        """What it has logged since it was started."""
        self._log.seek(self._began)
        return [json.loads(line) for line in self._log.read().splitlines() if line.startswith("{")]

    def said(self, message: str) -> list[Obj]:
        """Lines with exactly this message."""
        return [line for line in self.lines() if line["message"] == message]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status, once it was told to end."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(20)
        self._log.close()
        return status


def apply(server: Cluster, obj: Obj) -> None:
    server.kubectl("apply", "-f", "-", stdin=json.dumps(obj))


def children(server: Cluster, name: str) -> dict[str, Obj]:
    """All that belongs to a SamplerRollout, by kind and name."""
    selector = f"samplerrollouts.io/rollout={name}"
    found = server.kubectl.get(",".join(KINDS), namespace=NAMESPACE, selector=selector)
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in found["items"]}


def kinds_of(found: dict[str, Obj]) -> list[str]:
    return sorted(name.split("/")[0] for name in found)


def status(server: Cluster, name: str) -> Obj:
    found: Obj = server.kubectl.get("samplerrollout", name, namespace=NAMESPACE).get("status") or {}
    return found


def is_complete(server: Cluster, name: str) -> dict[str, Obj]:
    found = children(server, name)
    return found if kinds_of(found) == COMPLETE else {}


def rights(server: Cluster) -> str:
    """The chart's roles and account for this namespace."""
    digest = "sha256:" + "0" * 64
    values = {"image": {"digest": digest}, "watchNamespaces": [NAMESPACE], "crds": {"enabled": False}}
    flags = (
        "-n",
        NAMESPACE,
        "--kube-version",
        "1.36",
        "-s",
        "templates/rbac.yaml",
        "-s",
        "templates/serviceaccount.yaml",
    )
    return server.helm("template", "rel", str(CHART), *flags, "-f", "-", stdin=json.dumps(values))


def account(server: Cluster, folder: Path) -> str:
    """A kubeconfig of the chart's service account, with its token alone."""
    administrator = yaml.safe_load(Path(server.kubeconfig).read_text())
    token = server.kubectl("create", "token", "rel-sampler-rollouts", "-n", NAMESPACE).strip()
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": administrator["clusters"][0]["cluster"]}],
        "users": [{"name": "u", "user": {"token": token}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return str(path)
