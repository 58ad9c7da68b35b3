"""The Prometheus of the demo and the tests, from its manifest: for the local cluster and for any other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from string import Template

MANIFEST = Path(__file__).parent / "manifests" / "prometheus.yaml"


@dataclass(frozen=True)
class Prometheus:
    """Where it runs. ``role`` names what it has outside its namespace: a ClusterRole and its binding."""

    namespace: str
    role: str

    @property
    def url(self) -> str:
        """For pods."""
        return f"http://prometheus.{self.namespace}.svc:9090"

    def render(self, image: str, scrape_interval: str, data: str) -> str:
        """Fill in the manifest. ``data`` is the source of the volume that holds the samples, as YAML."""
        values = {
            "namespace": self.namespace,
            "role": self.role,
            "image": image,
            "scrape_interval": scrape_interval,
            "data": data,
        }
        return Template(MANIFEST.read_text()).substitute(values)


LOCAL = Prometheus("monitoring", "sampler-rollouts-local:prometheus")
ELSEWHERE = Prometheus("sampler-rollouts-monitoring", "sampler-rollouts-elsewhere:prometheus")
