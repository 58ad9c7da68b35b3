"""The CRD on the tests' cluster."""

from __future__ import annotations

import json

from sampler_rollouts import crd

from local.cluster import Cluster
from tests.support.waiting import wait_for


def install_crd(cluster: Cluster) -> None:
    """Apply the CRD and wait until the API server serves it.

    ``kubectl wait`` gives up at once on a definition so new that its conditions are still null.
    """
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=crd.text())
    wait_for(f"{crd.NAME} is established", lambda: _established(cluster), timeout=60)


def _established(cluster: Cluster) -> bool:
    status = json.loads(cluster.kubectl("get", "crd", crd.NAME, "-o", "json")).get("status") or {}
    return any(one["type"] == "Established" and one["status"] == "True" for one in status.get("conditions") or [])
