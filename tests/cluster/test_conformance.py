"""The real API server does what the one in memory does: the same calls, the same results."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sampler_rollouts.cluster.transport import KubernetesApi

from local.cluster import Cluster
from tests.support.definition import install_crd
from tests.support.kube import cases_apply, cases_objects, cases_scale
from tests.support.kube.conformance import CASES, Calls, Case
from tests.support.waiting import wait_for

TOLD_IN = (cases_apply, cases_objects, cases_scale)
NAMESPACE = "conformance"


class Real:
    """Through the operator's own transport; watches through kubectl."""

    namespace = NAMESPACE

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._api = KubernetesApi()
        self.request = self._api.request

    def watch(self, path: str, since: str) -> list[tuple[str, dict[str, Any]]]:
        asked = f"{path}?watch=1&resourceVersion={since}&timeoutSeconds=2"
        lines = self._cluster.kubectl("get", "--raw", asked).splitlines()
        return [(event["type"], event["object"]) for event in map(json.loads, lines)]

    def eventually(self, probe: Callable[[], bool]) -> bool:
        return wait_for("controllers have had their time", probe, timeout=60)

    def close(self) -> None:
        """Drop the connections."""
        self._api.close()


@pytest.fixture(scope="module")
def server(cluster: Cluster) -> Iterator[Real]:
    """The cluster with our CRD and a namespace of this module."""
    install_crd(cluster)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=60s")
    cluster.kubectl("create", "namespace", NAMESPACE)
    real = Real(cluster)
    yield real
    real.close()
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
def test_it_is_as_agreed(server: Real, one: Case) -> None:
    assert one.play(Calls(server)) == one.expected
