"""Envoy Gateway by its own chart, and one Gateway `edge` in front of the cluster's Services."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from string import Template

import yaml

from local import systemimages
from local.client import Helm, Kubectl
from local.ctr import Ctr
from local.errors import LocalError
from local.files import content_hash
from local.gateway import chart, images
from local.progress import step, wait_for
from local.settings import Settings
from local.shell import Arg

SYSTEM = "envoy-gateway-system"
EDGE = "edge"
REQUESTS = {"metric": "envoy_cluster_endpoint_rq_total"}
"""The Envoys' own count of what they sent, as `gatewayRequests` of the operator's metrics source names it."""
_RELEASE = "eg"
_MANIFEST = Path(__file__).parent / "edge.yaml"


@dataclass(frozen=True)
class Edge:
    """The Gateway that routes attach to, by name and namespace, and where it listens."""

    url: str
    name: str = EDGE
    namespace: str = EDGE


def ensure(settings: Settings, kubectl: Kubectl, helm: Helm) -> Edge:
    """Install what is missing, on a cluster that is up."""
    ctr = Ctr(settings)
    if not ctr.ready():
        raise LocalError("the local cluster's containerd does not answer", "start it with `make cluster-up`")
    made = images.both(settings)
    wanted = manifest(made["envoy"].name, _version(made["envoy-gateway"].name))
    if there := _installed(kubectl, wanted):
        return Edge(there)
    systemimages.load(ctr, made)
    home = chart.folder(settings)
    with step("installing Envoy Gateway"):
        kubectl("apply", "--server-side", "--force-conflicts", "-R", "-f", chart.crds(home))
        line: list[Arg] = [
            "upgrade",
            "--install",
            _RELEASE,
            home,
            "-n",
            SYSTEM,
            "--create-namespace",
            "--take-ownership",
        ]
        helm(*line, "--wait", "--timeout", "3m", "-f", "-", stdin=json.dumps(chart.values(made["envoy-gateway"].name)))
    with step(f"bringing up the Gateway {EDGE}"):
        kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=wanted)
        return Edge(wait_for(f"the Gateway {EDGE} to be programmed", lambda: url(kubectl), timeout=120))


def _installed(kubectl: Kubectl, wanted: str) -> str:
    """Where the Gateway listens, if it is there just as it is wanted; empty if it is not, or cannot be looked at."""
    version = next(one for one in yaml.safe_load_all(wanted) if one["kind"] == "Gateway")["metadata"]["annotations"]
    try:
        there = kubectl.get("gateway", EDGE, namespace=EDGE)["metadata"].get("annotations") or {}
        return url(kubectl) if version.items() <= there.items() else ""
    except LocalError:
        return ""


def _version(image: str) -> str:
    """What changes with the controller, its chart, and what is said to it."""
    return content_hash([_MANIFEST, Path(chart.__file__)], image)[:12]


def manifest(envoy_image: str, version: str) -> str:
    """The Gateway, its class, and which Envoy serves it."""
    values = {"system": SYSTEM, "edge": EDGE, "envoy_image": envoy_image, "version": version}
    return Template(_MANIFEST.read_text()).substitute(values)


def url(kubectl: Kubectl) -> str:
    """Where the Gateway listens; empty until an Envoy of its present form serves it."""
    gateway = kubectl.get("gateway", EDGE, namespace=EDGE)
    status, generation = gateway.get("status") or {}, gateway["metadata"]["generation"]
    ready = any(
        one["type"] == "Programmed" and one["status"] == "True" and one.get("observedGeneration") == generation
        for one in status.get("conditions") or []
    )
    addresses = status.get("addresses") or []
    return f"http://{addresses[0]['value']}" if ready and addresses else ""
