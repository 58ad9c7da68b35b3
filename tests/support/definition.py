"""The CRDs on the tests' cluster."""

from __future__ import annotations

import functools
import json

from sampler_rollouts import crd

from local.cluster import Cluster
from tests.support.waiting import wait_for


def install_crd(cluster: Cluster) -> None:
    """Apply both CRDs and wait until the API server serves them.

    ``kubectl wait`` gives up at once on a definition so new that its conditions are still null.
    """
    for name, text in ((crd.NAME, crd.text()), (crd.TEMPLATE_NAME, crd.template_text())):
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
        wait_for(f"{name} is established", functools.partial(_established, cluster, name), timeout=60)


def _established(cluster: Cluster, name: str) -> bool:
    status = json.loads(cluster.kubectl("get", "crd", name, "-o", "json")).get("status") or {}
    return any(one["type"] == "Established" and one["status"] == "True" for one in status.get("conditions") or [])
