"""What a person needs when something was not as told: logs, Events, the object, saved beside the report."""

from __future__ import annotations

import contextlib
from pathlib import Path

from local.anycluster import AnyCluster
from local.demo.install import OPERATOR_LABEL, OPERATOR_NAMESPACE
from local.demo.manifests import NAME, NAMESPACE
from local.errors import LocalError

_WHAT: dict[str, tuple[str, ...]] = {
    "operator.log": ("logs", "-n", OPERATOR_NAMESPACE, "-l", OPERATOR_LABEL, "--tail=-1", "--timestamps"),
    "samplers.log": ("logs", "-n", NAMESPACE, "-l", f"samplerrollouts.io/rollout={NAME}", "--tail=300", "--prefix"),
    "events.json": ("get", "events", "-A", "--sort-by=.lastTimestamp", "-o", "json"),
    "rollout.yaml": ("get", "samplerrollout", NAME, "-n", NAMESPACE, "-o", "yaml"),
    "pods.txt": ("get", "pods", "-A", "-o", "wide"),
}


def save(cluster: AnyCluster, out: Path) -> None:
    """Save all that can be had; what cannot is left out."""
    out.mkdir(parents=True, exist_ok=True)
    for name, line in _WHAT.items():
        with contextlib.suppress(LocalError):
            (out / name).write_text(cluster.kubectl(*line, timeout=60), encoding="utf-8")


def shown(cluster: AnyCluster, out: Path, turn: int) -> None:
    """Save what a user sees of the release with kubectl: get and describe."""
    text = []
    for line in (("get", "samplerrollout"), ("get", "pods"), ("describe", "samplerrollout")):
        with contextlib.suppress(LocalError):
            told = cluster.kubectl(*line, "-n", NAMESPACE)
            text.append(f"$ kubectl {' '.join(line)} -n {NAMESPACE}\n{told}")
    (out / f"kubectl-{turn}.txt").write_text("\n".join(text), encoding="utf-8")
