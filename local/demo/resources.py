"""Memory and CPU of each component, at rest and under load."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from local.anycluster import AnyCluster
from local.demo.api import Api
from local.demo.install import OPERATOR_NAMESPACE
from local.demo.manifests import NAMESPACE
from local.demo.recording import ResourceRow

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Use:
    """Memory in MiB, CPU in cores, and how many pods or processes share them."""

    mib: float
    cores: float | None
    processes: int = 1


@dataclass
class ResourceWatch:
    """Looks every few seconds in a thread of its own.

    ``phase`` says what the looks count for: ``load`` and ``rest`` are shown, while things start or settle they are not.
    """

    cluster: AnyCluster
    api: Api
    every: float = 10.0
    phase: str = "start"
    _looks: dict[str, list[dict[str, Use]]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _before: dict[str, tuple[float, float]] = field(default_factory=dict)

    def start(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._run, name="resources", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(15)

    def look(self) -> None:
        """Look now. Raises httpx.HTTPError if the kubelet does not answer."""
        use = {**self._programs(), **self._own(), **self._pods()}
        self._looks.setdefault(self.phase, []).append(use)

    def rows(self) -> list[ResourceRow]:
        """What was seen, by component."""
        return rows(self._looks)

    def _run(self) -> None:
        while True:
            with contextlib.suppress(httpx.HTTPError):  # one look less
                self.look()
            if self._stop.wait(self.every):
                return

    def _programs(self) -> dict[str, Use]:
        found = {}
        for name, pid in self.cluster.processes().items():
            use = self._process(name, pid)
            if use is not None:
                found[name] = use
        return found

    def _pods(self) -> dict[str, Use]:
        """Of the story's own namespaces, on all nodes: what else runs in somebody's cluster is theirs."""
        summaries = [self.api.get(f"/api/v1/nodes/{node}/proxy/stats/summary") for node in self.api.nodes()]
        ours = {NAMESPACE, OPERATOR_NAMESPACE, *self.cluster.namespaces}
        pods = [pod for summary in summaries for pod in summary.get("pods") or [] if pod["podRef"]["namespace"] in ours]
        return pods_by_component(pods)

    def _own(self) -> dict[str, Use]:
        use = self._process("this demo, with its load generator", os.getpid())
        return {} if use is None else {"this demo, with its load generator": use}

    def _process(self, name: str, pid: int) -> Use | None:
        try:
            mib, ticks = _proc(pid)
        except (OSError, ValueError, IndexError):
            return None
        now = time.monotonic()
        earlier = self._before.get(name)
        self._before[name] = (now, ticks)
        cores = None if earlier is None else max(0.0, (ticks - earlier[1]) / _TICKS / max(0.001, now - earlier[0]))
        return Use(mib, cores)


def _proc(pid: int) -> tuple[float, float]:
    """Resident MiB and CPU ticks of a process."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 1024**2
    return resident, float(int(stat[11]) + int(stat[12]))


def pods_by_component(pods: Iterable[Mapping[str, Any]]) -> dict[str, Use]:
    """Sum the kubelets' numbers over the pods of each component."""
    sums: dict[str, Use] = {}
    for pod in pods:
        name = component_of(pod["podRef"]["namespace"], pod["podRef"]["name"])
        mib = pod.get("memory", {}).get("workingSetBytes", 0) / 1024**2
        cores = pod.get("cpu", {}).get("usageNanoCores", 0) / 1e9
        earlier = sums.get(name, Use(0.0, 0.0, 0))
        sums[name] = Use(earlier.mib + mib, (earlier.cores or 0.0) + cores, earlier.processes + 1)
    return sums


def component_of(namespace: str, pod: str) -> str:
    """What a pod is a part of: all samplers are one component, others go by the name before their hashes."""
    if namespace == NAMESPACE:
        return "sampler pods"
    return pod.rsplit("-", 2)[0] + " (pod)"


def rows(looks: Mapping[str, Iterable[Mapping[str, Use]]]) -> list[ResourceRow]:
    """Medians at rest and under load, and the most ever seen."""
    rest, load = _gather(looks.get("rest", ())), _gather(looks.get("load", ()))
    found = []
    for name in dict.fromkeys([*rest, *load]):
        quiet, busy = rest.get(name, []), load.get(name, [])
        found.append(
            ResourceRow(
                component=name,
                processes=max(u.processes for u in quiet + busy),
                rest_mib=_middle([u.mib for u in quiet]),
                rest_cores=_middle([u.cores for u in quiet]),
                load_mib=_middle([u.mib for u in busy]),
                load_cores=_middle([u.cores for u in busy]),
                peak_mib=max(u.mib for u in quiet + busy),
            )
        )
    return found


def _gather(looks: Iterable[Mapping[str, Use]]) -> dict[str, list[Use]]:
    found: dict[str, list[Use]] = {}
    for look in looks:
        for name, use in look.items():
            found.setdefault(name, []).append(use)
    return found


def _middle(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return median(known) if known else None


def save(found: Iterable[ResourceRow], path: Path) -> None:
    """Write the rows as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([r.model_dump() for r in found], indent=1) + "\n", encoding="utf-8")
