"""Namespaces that we make in a cluster, known by a label: what somebody else has made is never emptied or deleted."""

from __future__ import annotations

import json
from collections.abc import Callable

from local.errors import LocalError

OURS = "sampler-rollouts.local/made-by-demo-or-tests"
Kubectl = Callable[..., str]


def claim(kubectl: Kubectl, name: str, *, shared: bool = False) -> bool:
    """Make the namespace; one that we made before is taken as it is. Return whether it was made now.

    Raises LocalError if somebody else made it, unless it may be ``shared``: then it is used, and stays theirs.
    """
    if kubectl("get", "namespace", name, "--ignore-not-found", "-o", "name").strip():
        if not shared and not _ours(kubectl, name):
            raise LocalError(
                f"the namespace {name} is there already, and was not made by the demo or a test, which would empty it",
                f"`kubectl delete namespace {name}` if nobody needs it, or take another cluster",
            )
        return False
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {OURS: "true"}}}
    kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    return True


def remove(kubectl: Kubectl, name: str, *, wait: bool = True, timeout: float = 180) -> None:
    """Delete the namespace with all that is in it, if we made it."""
    if _ours(kubectl, name):
        kubectl("delete", "namespace", name, "--ignore-not-found", f"--wait={str(wait).lower()}", timeout=timeout)


def ours(kubectl: Kubectl, *chosen: str) -> frozenset[str]:
    """All that we have made, or those of them that kubectl's options choose."""
    line = ("get", "namespaces", "-l", OURS, *chosen, "-o", "jsonpath={.items[*].metadata.name}")
    return frozenset(kubectl(*line).split())


def _ours(kubectl: Kubectl, name: str) -> bool:
    return bool(ours(kubectl, f"--field-selector=metadata.name={name}"))
