"""Faults that tests cause on a cluster: SIGKILL for the operator, for a component of it, for the servers of a
release; a metrics source that is killed, or that stops answering. `Faults` are those that any cluster can have.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from local.anycluster import AnyCluster
from local.cluster import Cluster
from local.demo.view import is_ready
from tests.support.rollouts import OPERATOR_NAMESPACE
from tests.support.waiting import wait_for


def _pod(cluster: AnyCluster, namespace: str, selector: str) -> dict[str, Any]:
    pods = cluster.kubectl.get("pods", namespace=namespace, selector=selector)["items"]
    assert len(pods) == 1, f"one pod of {selector} expected in {namespace}, not {len(pods)}"
    return dict(pods[0])


def _processes(pod_uid: str) -> list[int]:
    """Processes in a pod's control groups, the pause process aside."""
    found = set()
    for listing in Path("/sys/fs/cgroup").glob(f"**/*pod{pod_uid}/*/cgroup.procs"):
        found |= {int(pid) for pid in listing.read_text().split()}
    return sorted(pid for pid in found if Path(f"/proc/{pid}/comm").read_text().strip() != "pause")


class Faults(Protocol):
    """What a story needs of them."""

    def kill_operator(self) -> None:
        """The operator's process ends at once, and another one has begun when this returns."""

    def outage(self) -> AbstractContextManager[None]:
        """Prometheus answers no new connection in this block, and loses no sample."""


class ByProcess:
    """Signals to processes, where they are this machine's."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def kill_operator(self) -> None:
        """SIGKILL."""
        kill_operator(self._cluster)

    def outage(self) -> AbstractContextManager[None]:
        """SIGSTOP; scrapes are missed too."""
        return paused_prometheus(self._cluster)


class ByApi:
    """What the API server can do: the process is gone with its pod, and Prometheus' Service leads nowhere."""

    def __init__(self, cluster: AnyCluster) -> None:
        self._cluster = cluster

    def kill_operator(self) -> None:
        """Delete its pod without grace."""
        before = _pod(self._cluster, OPERATOR_NAMESPACE, _OPERATOR)["metadata"]
        self._cluster.kubectl("delete", "pod", before["name"], "-n", OPERATOR_NAMESPACE, "--grace-period=0", "--force")

        def again() -> bool:
            pods = self._cluster.kubectl.get("pods", namespace=OPERATOR_NAMESPACE, selector=_OPERATOR)["items"]
            return [is_ready(pod) and pod["metadata"]["uid"] != before["uid"] for pod in pods] == [True]

        wait_for("another pod of the operator", again, timeout=120)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Its Service selects nobody; scrapes go on, and so do connections that were made before."""
        self._select("nobody")
        try:
            yield
        finally:
            self._select("prometheus")

    def _select(self, app: str) -> None:
        patch = json.dumps({"spec": {"selector": {"app": app}}})
        self._cluster.kubectl("patch", "service", "prometheus", "-n", self._cluster.prometheus.namespace, "-p", patch)


_OPERATOR = "app.kubernetes.io/name=sampler-rollouts"


def kill_operator(cluster: Cluster) -> None:
    """SIGKILL the operator's process, and wait until the kubelet has started it again."""
    _kill_pod(cluster, OPERATOR_NAMESPACE, _OPERATOR)


def kill_prometheus(cluster: Cluster) -> None:
    """SIGKILL Prometheus' process, and wait until the kubelet has started it again."""
    _kill_pod(cluster, "monitoring", "app=prometheus")


def kill_component(cluster: Cluster, name: str) -> None:
    """SIGKILL a program of the cluster itself, and start it again as `make cluster-up` would."""
    (pid,) = (part.pid for part in cluster.components() if part.name == name)
    assert pid, f"{name} has no process"
    os.kill(pid, signal.SIGKILL)
    wait_for(f"the end of {name}", lambda: _has_ended(pid), timeout=10, every=0.05)
    cluster.up()


def _has_ended(pid: int) -> bool:
    """Whether it is gone, or waits for its parent alone: it holds no port any more.

    Of all threads: the first one may be over while another still closes what all of them held.
    """
    try:
        return all(_is_over(task) for task in Path(f"/proc/{pid}/task").iterdir())
    except FileNotFoundError:
        return True


def _is_over(task: Path) -> bool:
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def kill_servers(pods: Iterable[Mapping[str, Any]]) -> int:
    """SIGKILL the processes in these pods, as many as are there."""
    return _signal_servers(pods, signal.SIGKILL)


def hang_servers(pods: Iterable[Mapping[str, Any]]) -> int:
    """Stop the processes in these pods, as many as are there: connections are taken, and nothing is ever answered."""
    return _signal_servers(pods, signal.SIGSTOP)


def _signal_servers(pods: Iterable[Mapping[str, Any]], number: signal.Signals) -> int:
    pids = [pid for pod in pods for pid in _processes(pod["metadata"]["uid"])]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    return len(pids)


def _kill_pod(cluster: Cluster, namespace: str, selector: str) -> None:
    pod = _pod(cluster, namespace, selector)
    before = pod["status"]["containerStatuses"][0]["restartCount"]
    assert kill_servers([pod]), f"{selector} has no process"

    def again() -> bool:
        container = _pod(cluster, namespace, selector)["status"]["containerStatuses"][0]
        return bool(container["restartCount"] > before and container["ready"])

    # A container that is killed again and again is started after ever longer waits.
    wait_for(f"the restart of {selector}", again, timeout=360)


@contextmanager
def paused_prometheus(cluster: Cluster) -> Iterator[None]:
    """Stop Prometheus' process without losing its samples: queries are not answered, scrapes are missed.

    Fails if the process that was stopped is not the one that goes on: then the outage had an end of its own.
    """
    before = _incarnation(cluster)
    pids = before[1]
    assert pids, "Prometheus has no process"
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    after = _incarnation(cluster)
    assert after == before, f"Prometheus restarted in its outage: restarts and processes {before}, then {after}"


def _incarnation(cluster: Cluster) -> tuple[int, list[int]]:
    """How often Prometheus' container was restarted, and its processes."""
    pod = _pod(cluster, "monitoring", "app=prometheus")
    return pod["status"]["containerStatuses"][0]["restartCount"], _processes(pod["metadata"]["uid"])
