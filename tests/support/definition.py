"""The CRDs on the tests' cluster."""

from __future__ import annotations

import functools
import json

from sampler_rollouts import crd
from sampler_rollouts.domain.resource import GROUP

from local.cluster import Cluster
from tests.support.waiting import wait_for

OF_TESTS = f"{GROUP}/of-tests"
"""The label of what tests have put into a cluster: the next run may change and remove it."""


def install_crd(cluster: Cluster) -> None:
    """Apply all CRDs, labelled as the tests' own, and wait until the API server serves them.

    ``kubectl wait`` gives up at once on a definition so new that its conditions are still null.
    """
    for definition in (crd.definition(), crd.pool_definition(), crd.template_definition()):
        name = definition["metadata"]["name"]
        definition["metadata"]["labels"] = {OF_TESTS: "true"}
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(definition))
        wait_for(f"{name} is established", functools.partial(_established, cluster, name), timeout=60)


def _established(cluster: Cluster, name: str) -> bool:
    status = json.loads(cluster.kubectl("get", "crd", name, "-o", "json")).get("status") or {}
    return any(one["type"] == "Established" and one["status"] == "True" for one in status.get("conditions") or [])
