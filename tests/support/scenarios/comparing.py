"""One scenario on two API servers: whether it goes the same way."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml
from sampler_rollouts.cluster.transport import KubernetesApi

from benchmarks.scale_cluster import Server, prepare, until
from local.gateway import chart
from local.settings import load
from tests.support.kube.real import RealApi, Watched
from tests.support.kube.store import plural_of
from tests.support.scenarios.process import Standing
from tests.support.scenarios.telling import Scenario, Told, told
from tests.support.scenarios.world import NAMESPACE, Clock

ROOT = Path(__file__).resolve().parents[3]
ROUTES = "httproutes.gateway.networking.k8s.io"
SHOWN = 4
"""Of two lists that part."""


def _stood(seconds: float) -> None:
    """No time limit of the operator's is to know how busy this machine is."""
    Standing.stood += seconds


class Real:
    """A real etcd and API server on free ports, on which scenarios are played one after the other."""

    def __init__(self) -> None:
        self._server = Server()

    def start(self) -> None:
        """Ready, with all definitions. KUBECONFIG is set for it."""
        self._server.start()
        self.connect()

    def connect(self) -> None:
        """To the server that KUBECONFIG says."""
        api = KubernetesApi()
        prepare(api, ROOT / "crds")
        text = (chart.crds(chart.folder(load())) / "gatewayapi-crds.yaml").read_text()
        definitions = [one for one in yaml.safe_load_all(text) if one and one["metadata"]["name"] == ROUTES]
        for body in definitions:
            api.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body=body)
        group = "/apis/gateway.networking.k8s.io/v1"
        until("routes to be served", lambda: api.request("GET", group)["resources"], 60)
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        api.request("POST", "/api/v1/namespaces", body=body)
        api.close()
        self.watched = Watched(NAMESPACE, _stood)

    def api(self, clock: Clock) -> RealApi:
        """What a world takes for its API server."""
        return RealApi(clock, self.watched)

    def tell(self, one: Scenario) -> Told:
        """A scenario there."""
        return told(one, server=self.api)

    def stop(self) -> None:
        """Leave nothing."""
        if hasattr(self, "watched"):
            self.watched.stop()
        self._server.stop()


def seen(how: Told) -> dict[str, Any]:
    """What must be the same on both, in pieces that a message can name."""
    return {
        **how.end,
        "stages": how.stages,
        "weights": how.weights,
        "ready": how.ready,
        "breaches": how.breaches,
        "headlines": how.headlines,
        "seconds": how.seconds,
        "writes": [(method, _without_hashes(path)) for method, path in how.written],
    }


def _without_hashes(path: str) -> str:
    """The name of a pod has a hash of what a server made of its template, that of an Event one of the object's uid."""
    plural = plural_of(path)
    return path.rsplit(f"/{plural}/", 1)[0] + f"/{plural}" if plural in ("pods", "events") else path


def differences(in_memory: Told, real: Told) -> list[str]:
    """In words; none if it went the same way."""
    expected, found = seen(in_memory), seen(real)
    return [_told(name, expected[name], found[name]) for name in expected if found[name] != expected[name]]


def _told(name: str, expected: Any, found: Any) -> str:
    """Of long lists the first place where they part, and what came before it."""
    if not isinstance(expected, list) or not isinstance(found, list):
        return f"{name}: {found} where it is {expected}"
    alike = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(expected, found, strict=False))))
    there, here = found[alike : alike + SHOWN], expected[alike : alike + SHOWN]
    before = f", after {found[max(0, alike - SHOWN) : alike]}" if alike else ""
    return f"{name}, from number {alike + 1} of {len(found)}: {there} where it is {here}{before}"
