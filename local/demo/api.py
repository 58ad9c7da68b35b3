"""Reading the API server cheaply: a kubectl process a second would cost a tenth of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.anycluster import AnyCluster

GROUP_PATH = "/apis/samplerrollouts.io/v1alpha1"


class Api:
    """GET requests as the kubeconfig's user."""

    def __init__(self, cluster: AnyCluster) -> None:
        self._cluster = cluster
        self._client = cluster.reach.client()

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

    def service_url(self, namespace: str, name: str) -> str:
        """Where a Service is asked."""
        return self._cluster.reach.service(namespace, name)

    def pod_url(self, pod: Mapping[str, Any], port: int) -> str:
        """Where a pod is asked."""
        return self._cluster.reach.pod(pod, port)

    def prometheus_url(self) -> str:
        """Where the cluster's Prometheus is asked."""
        return self._cluster.reach.service(self._cluster.prometheus.namespace, "prometheus", 9090)

    def nodes(self) -> list[str]:
        """Their names."""
        return [str(node["metadata"]["name"]) for node in self.get("/api/v1/nodes")["items"]]

    def pods(self, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        """Pods by label."""
        items: list[dict[str, Any]] = self.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)["items"]
        return items
