"""Tests through the local cluster's Gateway: requests by it, and where they really went, by Envoy's own access log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local.anycluster import AnyCluster
from local.demo.load import LoadGenerator
from local.gateway.install import SYSTEM, Edge
from tests.support.rollouts import manifest, synthetic_pool
from tests.support.waiting import wait_for

_ENVOYS = "gateway.envoyproxy.io/owning-gateway-name={}"


@dataclass(frozen=True, slots=True)
class Sent:
    """One request by the proxy's book: ``server`` is the address of the pod, empty where there was none."""

    at: datetime
    code: int
    server: str
    detail: str

    @property
    def failed(self) -> bool:
        """Whether it got no answer of a server's own, or one that says that something broke."""
        return self.code >= 500 or not self.server


def routed_by(edge: Edge) -> dict[str, Any]:
    """`spec.routing.gateway` of a SamplerRollout whose users come through it."""
    return {"parentRefs": [{"name": edge.name, "namespace": edge.namespace}]}


def routed_release(name: str, image: str, build: str, edge: Edge, *, pause: bool = False) -> dict[str, Any]:
    """A SamplerRollout with one pool, whose users come through the Gateway; ``build`` makes a release of its own."""
    made = manifest(name, [synthetic_pool("cpu", image, SAMPLER_EXAMPLE_BUILD=build)], pause=pause)
    made["spec"]["routing"] = {"gateway": routed_by(edge)}
    return made


@contextmanager
def steady_load(edge: Edge, *, long_share: float = 0.0) -> Iterator[LoadGenerator]:
    """Requests through the Gateway, once the first one has been answered; ``long_share`` of them are long."""
    with LoadGenerator(edge.url, model="synthetic", workers=4, api="completions", long_share=long_share) as generator:
        wait_for("a first answer", generator.tally.fingerprints, timeout=60)
        yield generator


def sent(cluster: AnyCluster, edge: Edge, since: datetime) -> list[Sent]:
    """All requests that ended since then, in the order of their ends."""
    pods = cluster.kubectl.get("pods", namespace=SYSTEM, selector=_ENVOYS.format(edge.name))["items"]
    return [one for pod in pods for one in _of(cluster, pod["metadata"]["name"], since)]


def _of(cluster: AnyCluster, pod: str, since: datetime) -> Iterator[Sent]:
    line = ("logs", pod, "-n", SYSTEM, "-c", "envoy", f"--since-time={since:%Y-%m-%dT%H:%M:%SZ}")
    for text in cluster.kubectl(*line).splitlines():
        if text.startswith("{"):
            yield _read(json.loads(text))


def _read(entry: dict[str, Any]) -> Sent:
    return Sent(
        at=datetime.fromisoformat(entry["start_time"]),
        code=int(entry["response_code"]),
        server=(entry.get("upstream_host") or "").rpartition(":")[0],
        detail=f"{entry.get('response_flags')} {entry.get('response_code_details')}",
    )
