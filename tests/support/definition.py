"""The CRD on the tests' cluster."""

from __future__ import annotations

import json
import time

from sampler_rollouts import crd

from local.cluster import Cluster

LIMIT = 60.0


def install_crd(cluster: Cluster) -> None:
    """Apply the CRD and wait until the API server serves it.

    ``kubectl wait`` gives up at once on a definition so new that its conditions are still null.
    """
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=crd.text())
    deadline = time.monotonic() + LIMIT
    while not _established(cluster):
        assert time.monotonic() < deadline, f"{crd.NAME} was not established within {LIMIT:g} s"
        time.sleep(0.2)


def _established(cluster: Cluster) -> bool:
    status = json.loads(cluster.kubectl("get", "crd", crd.NAME, "-o", "json")).get("status") or {}
    return any(one["type"] == "Established" and one["status"] == "True" for one in status.get("conditions") or [])
