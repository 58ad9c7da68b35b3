"""``--check``: whether the operator could begin its work, asked once as the operator would ask; writes nothing.

For `helm test` and for whoever sets up rights or a metrics source. Of the rights only that to read SamplerRollouts is
asked for: all others are those of single writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.cluster.errors import ClusterError
from sampler_rollouts.metrics.prometheus import Sources
from sampler_rollouts.notify.sender import Sender


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is there, or is not."""

    what: str
    problem: str = ""

    def __str__(self) -> str:
        return f"failed  {self.what}: {self.problem}" if self.problem else f"ok      {self.what}"


def findings(
    cluster: KubernetesCluster, sources: Sources, namespaces: Sequence[str], now: datetime
) -> Iterator[Finding]:
    """The CRD, the right to read SamplerRollouts in each namespace, and every metrics source."""
    yield _served(cluster)
    for namespace in namespaces or [""]:
        yield _readable(cluster, namespace)
    for name, problem in sources.problems(now).items():
        yield Finding(f"metrics source {name} answers", problem)


def reachable(sender: Sender) -> Iterator[Finding]:
    """Every receiver of notifications: its secrets are there, and a connection can be made. Nothing is sent."""
    for name, problem in sender.problems().items():
        yield Finding(f"receiver {name} can be reached", problem)


def _served(cluster: KubernetesCluster) -> Finding:
    what = "the API server serves SamplerRollouts"
    try:
        served = cluster.served()
    except ClusterError as error:
        return Finding(what, str(error))
    return Finding(
        what, "" if served else "the CRD is missing: install it with the chart (crds.enabled), or apply crds/"
    )


def _readable(cluster: KubernetesCluster, namespace: str) -> Finding:
    what = f"SamplerRollouts of {f'namespace {namespace}' if namespace else 'all namespaces'} can be listed"
    remedy = "give the operator its rights (rbac.create)"
    if not namespace:
        remedy += ", or name the namespaces that it looks after (--namespace, SAMPLER_ROLLOUTS_NAMESPACES)"
    try:
        found = cluster.keys([namespace] if namespace else [])
    except ClusterError as error:
        return Finding(what, f"{error}: {remedy}")
    return Finding(f"{what}, and are {len(found)}")
