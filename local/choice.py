"""Which cluster is meant: `CLUSTER` says it, for `make demo` and for the end-to-end tests."""

from __future__ import annotations

import os
from collections.abc import Mapping

from local.anycluster import AnyCluster
from local.cluster import Cluster
from local.current import CurrentCluster
from local.errors import LocalError


def chosen(env: Mapping[str, str] = os.environ) -> AnyCluster:
    """The local cluster unless the user says `CLUSTER=current`. Raises LocalError, and has touched nothing then."""
    wanted = env.get("CLUSTER", "")
    if wanted == "current":
        return CurrentCluster.of(env)
    if wanted:
        raise LocalError(
            f"CLUSTER={wanted} is no cluster that is known here",
            "CLUSTER=current is that of the kubeconfig's current context; without CLUSTER the local one is started",
        )
    if given := [f"{name}={env[name]}" for name in ("IMAGES", "CONTEXT") if env.get(name)]:
        raise LocalError(f"{' '.join(given)} is for CLUSTER=current", "add that, or leave it out; nothing was touched")
    return Cluster()


def local_alone(what: str, env: Mapping[str, str] = os.environ) -> Cluster:
    """The local cluster, for what needs its machine; another that is asked for is refused."""
    if env.get("CLUSTER"):
        raise LocalError(f"{what} runs on the local cluster alone", "leave out CLUSTER; nothing was touched")
    return Cluster()
