"""Reading the API server cheaply: a kubectl process a second would cost a tenth of this machine."""

from __future__ import annotations

import ssl
from typing import Any

import httpx

from local.settings import Settings

GROUP_PATH = "/apis/samplerrollouts.io/v1alpha1"


class Api:
    """GET requests as the cluster's administrator."""

    def __init__(self, settings: Settings) -> None:
        trusted = ssl.create_default_context(cafile=str(settings.pki / "ca.crt"))
        trusted.load_cert_chain(settings.pki / "admin.crt", settings.pki / "admin.key")
        self._client = httpx.Client(base_url=settings.api_url, verify=trusted, timeout=5.0, trust_env=False)

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Return the JSON at the path. Raises httpx.HTTPError."""
        answer = self._client.get(path, params=query)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def rollout(self, namespace: str, name: str) -> dict[str, Any]:
        """The SamplerRollout."""
        return self.get(f"{GROUP_PATH}/namespaces/{namespace}/samplerrollouts/{name}")

    def events(self, namespace: str, name: str) -> list[dict[str, Any]]:
        """Events of the SamplerRollout."""
        chosen = f"involvedObject.kind=SamplerRollout,involvedObject.name={name}"
        items: list[dict[str, Any]] = self.get(f"/api/v1/namespaces/{namespace}/events", fieldSelector=chosen)["items"]
        return items

    def service_ip(self, namespace: str, name: str) -> str:
        """The Service's cluster address."""
        return str(self.get(f"/api/v1/namespaces/{namespace}/services/{name}")["spec"]["clusterIP"])

    def prometheus_url(self) -> str:
        """Where the cluster's Prometheus is asked."""
        return f"http://{self.service_ip('monitoring', 'prometheus')}:9090"

    def pods(self, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        """Pods by label."""
        items: list[dict[str, Any]] = self.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)["items"]
        return items
