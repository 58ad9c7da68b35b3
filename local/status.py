"""What runs, how much it uses, and whether it is well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from local import components
from local.client import Kubectl
from local.health import probes
from local.process import read_record, rss_mib
from local.settings import NODE_NAME, Settings


@dataclass(frozen=True)
class Component:
    """One line of `status`."""

    name: str
    pid: int | None
    rss_mib: float
    healthy: bool


@dataclass(frozen=True)
class PodUse:
    """What a pod uses, by the kubelet's own count."""

    namespace: str
    name: str
    memory_mib: float
    cpu_cores: float


def components_status(settings: Settings) -> list[Component]:
    """Look at each component."""
    tests = probes(settings)
    found = []
    for name in components.ALL:
        record = read_record(settings.pids / name)
        pid = record.pid if record else None
        found.append(Component(name, pid, rss_mib(pid) if pid else 0.0, bool(pid) and tests[name]()))
    return found


def pod_use(kubectl: Kubectl) -> list[PodUse]:
    """Memory and CPU of every pod, from the kubelet's summary (it looks every ten seconds or so)."""
    summary = kubectl.raw(f"/api/v1/nodes/{NODE_NAME}/proxy/stats/summary")
    return sorted((_pod_use(p) for p in summary.get("pods", [])), key=lambda p: (p.namespace, p.name))


def _pod_use(pod: dict[str, Any]) -> PodUse:
    memory = pod.get("memory", {}).get("workingSetBytes", 0) / 1024**2
    cores = pod.get("cpu", {}).get("usageNanoCores", 0) / 1e9
    return PodUse(pod["podRef"]["namespace"], pod["podRef"]["name"], memory, cores)


def table(parts: Sequence[Component], pods: Sequence[PodUse]) -> str:
    """Render both as text."""
    lines = [f"{'component':<26}{'pid':>8}{'RSS MiB':>10}  health"]
    for part in parts:
        health = "ok" if part.healthy else ("not healthy" if part.pid else "not running")
        lines.append(f"{part.name:<26}{part.pid or '-':>8}{part.rss_mib:>10.0f}  {health}")
    if pods:
        lines += ["", f"{'pod':<58}{'MiB':>7}{'cores':>8}"]
        lines += [f"{p.namespace + '/' + p.name:<58}{p.memory_mib:>7.0f}{p.cpu_cores:>8.3f}" for p in pods]
    return "\n".join(lines)
