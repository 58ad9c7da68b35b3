"""What runs in the cluster from the start: DNS and Prometheus."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from string import Template

from local import prometheus
from local.client import Kubectl
from local.health import answers
from local.settings import Settings

DNS = Path(__file__).parent / "manifests" / "coredns.yaml"
DEPLOYMENTS = (("kube-system", "coredns"), (prometheus.LOCAL.namespace, "prometheus"))
_NOBODY = 65534


def render(settings: Settings, images: Mapping[str, str]) -> str:
    """All manifests, with this cluster's addresses and images."""
    dns = Template(DNS.read_text()).substitute(coredns_image=images["coredns"], dns_ip=settings.dns_ip)
    # On the host, so that samples outlive the pod: an outage of Prometheus must not be a loss of its past.
    data = f"hostPath: {{path: {prometheus_data(settings)}, type: Directory}}"
    return f"{dns}\n---\n{prometheus.LOCAL.render(images['prometheus'], settings.scrape_interval, data)}"


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
    return all(available(kubectl, namespace, name) for namespace, name in DEPLOYMENTS)


def prometheus_answers(kubectl: Kubectl) -> bool:
    """Whether Prometheus answers at its Service's address, from the host."""
    address = kubectl.get("service", "prometheus", namespace=prometheus.LOCAL.namespace)["spec"]["clusterIP"]
    return answers(f"http://{address}:9090/-/ready")


def available(kubectl: Kubectl, namespace: str, name: str) -> bool:
    """Whether a Deployment of one pod is there in its latest form."""
    status = kubectl.get("deployment", name, namespace=namespace)
    current = status.get("status", {})
    observed = current.get("observedGeneration") == status["metadata"]["generation"]
    return bool(observed and current.get("updatedReplicas") == 1 and current.get("availableReplicas") == 1)
