"""What runs in the cluster from the start: DNS and Prometheus."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from string import Template

from local.client import Kubectl
from local.health import answers
from local.settings import Settings

MANIFESTS = Path(__file__).parent / "manifests"
DEPLOYMENTS = (("kube-system", "coredns"), ("monitoring", "prometheus"))
_NOBODY = 65534


def render(settings: Settings, images: Mapping[str, str]) -> str:
    """All manifests, with this cluster's addresses and images."""
    values = {
        "coredns_image": images["coredns"],
        "prometheus_image": images["prometheus"],
        "dns_ip": settings.dns_ip,
        "scrape_interval": settings.scrape_interval,
        "prometheus_data": str(prometheus_data(settings)),
    }
    return "\n---\n".join(Template(p.read_text()).substitute(values) for p in sorted(MANIFESTS.glob("*.yaml")))


def prometheus_data(settings: Settings) -> Path:
    """Where Prometheus keeps its samples."""
    return settings.run / "prometheus"


def apply(settings: Settings, kubectl: Kubectl, images: Mapping[str, str]) -> None:
    """Put them into the cluster, or change what differs."""
    data = prometheus_data(settings)
    data.mkdir(parents=True, exist_ok=True)
    os.chown(data, _NOBODY, _NOBODY)
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=render(settings, images))


def ready(kubectl: Kubectl) -> bool:
    """Whether all of them are available in their latest form."""
    return all(_available(kubectl, namespace, name) for namespace, name in DEPLOYMENTS)


def prometheus_answers(kubectl: Kubectl) -> bool:
    """Whether Prometheus answers at its Service's address, from the host."""
    address = kubectl.get("service", "prometheus", namespace="monitoring")["spec"]["clusterIP"]
    return answers(f"http://{address}:9090/-/ready")


def _available(kubectl: Kubectl, namespace: str, name: str) -> bool:
    status = kubectl.get("deployment", name, namespace=namespace)
    current = status.get("status", {})
    observed = current.get("observedGeneration") == status["metadata"]["generation"]
    return bool(observed and current.get("updatedReplicas") == 1 and current.get("availableReplicas") == 1)
