"""A real Prometheus that scrapes real exporters, on a loopback address of its own."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from socketserver import BaseServer
from typing import Any, TypeVar

import requests
from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, start_http_server
from quality_contract import AUDIT_MISMATCH, AUDIT_TOKENS, BAD, CHECKED, latency

from local import settings, tools

T = TypeVar("T")

HOST = f"127.{os.getpid() >> 16 & 255}.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
"""An address of this process: between the choice of a port and its use nobody on 127.0.0.1 can take it."""
PODS = {"c1": "new", "c2": "new", "x1": "new", "s1": "old"}
"""Revisions by pod name, in every rollout. Only c1 and c2 are the candidate's."""
ROLLOUTS = 24
TWICE = "r0"
"""The rollout whose pods two jobs scrape."""


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [int(probe.getsockname()[1]) for probe in probes]


def wait_for(ask: Callable[[], T], accept: Callable[[T], bool], what: str = "", seconds: float = 60) -> T:
    """Ask until the answer is acceptable; fails with the last answer when time is up."""
    end = time.monotonic() + seconds
    answer = ask()
    while not accept(answer):
        assert time.monotonic() < end, f"not seen in {seconds:g} s: {what}; last: {answer}"
        time.sleep(0.1)
        answer = ask()
    return answer


class Prometheus:
    """A real one, with its data in a folder of its own. It never asks anything of the network."""

    def __init__(self, folder: Path) -> None:
        program = str(tools.ensure(settings.load(), ["prometheus"])["prometheus"])
        own, *ports = free_ports(1 + ROLLOUTS * len(PODS))
        self.url = f"http://{HOST}:{own}"
        places = [(f"r{i}", pod) for i in range(ROLLOUTS) for pod in PODS]
        self.ports = dict(zip(places, ports, strict=True))
        self.unused = [f"r{i}" for i in range(ROLLOUTS) if f"r{i}" != TWICE]
        (folder / "prometheus.yml").write_text(json.dumps(self._config()))
        files = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        self._command = [program, *files, f"--web.listen-address={HOST}:{own}", "--log.level=error"]
        self.start()

    def _config(self) -> dict[str, object]:
        """Every pod that a test may start, with the labels that discovery would add."""
        targets: list[dict[str, Any]] = []
        for (rollout, pod), port in self.ports.items():
            labels = {"namespace": "team", "rollout": rollout, "pool": "pool", "pod": pod, "revision": PODS[pod]}
            targets.append({"targets": [f"{HOST}:{port}"], "labels": labels})
        interval = {"scrape_interval": "250ms", "scrape_timeout": "250ms"}
        twice = [one for one in targets if one["labels"]["rollout"] == TWICE]
        jobs = [{"job_name": "samplers", "static_configs": targets}, {"job_name": "again", "static_configs": twice}]
        return {"global": interval, "scrape_configs": jobs}

    def start(self) -> None:
        self.process = subprocess.Popen(self._command)
        wait_for(self._ready, bool, "prometheus is ready")

    def _ready(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.url}/-/ready", timeout=1).ok
        return False

    def newest(self, metric: str, pod: str) -> str | None:
        """A pod's value as Prometheus holds it, asked for directly."""
        answer = requests.get(f"{self.url}/api/v1/query", {"query": f'{metric}{{pod="{pod}"}}'}, timeout=5).json()
        return next((str(one["value"][1]) for one in answer["data"]["result"]), None)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


class Registry(CollectorRegistry):
    """Scraped as a whole: no scrape falls between two increments made under its lock, as in the sampler.

    ``behind``: seconds by which it dates its samples back; None: it leaves their time to who scrapes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.RLock()
        self.behind: float | None = None

    def collect(self) -> Iterable[Metric]:
        with self.lock:
            found = list(super().collect())
        if self.behind is not None:
            for metric in found:
                metric.samples = [one._replace(timestamp=time.time() - self.behind) for one in metric.samples]
        return found


class Exporter:
    """A pod's metrics port, by the client library that the sampler uses."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: BaseServer | None = None

    def start(self, served: int = 0) -> None:
        """A new process as far as counters can tell: everything is zero."""
        self._registry = Registry()
        labels = ["check", "route_hash"]
        self._checked = self._counter(CHECKED, labels).labels("errors", "none")
        self.bad = self._counter(BAD, labels).labels("errors", "none")
        self._tokens = self._counter(AUDIT_TOKENS, ["batch_bucket", "mode"]).labels("8", "greedy")
        kinds = self._counter(AUDIT_MISMATCH, ["kind", "batch_bucket", "mode"])
        self._mismatch = kinds.labels("other-token", "8", "greedy")
        name, bounds = latency.HISTOGRAMS[latency.CHECK_LATENCY]
        durations = Histogram(name, "Seconds.", [latency.LABEL_CHECKED], buckets=bounds, registry=self._registry)
        self._duration = durations.labels(latency.CHECKED_REQUESTS)
        self.serve(served)
        self.show()

    def _counter(self, name: str, labels: list[str]) -> Counter:
        return Counter(name, "A counter.", labels, registry=self._registry)

    def show(self) -> None:
        """Let the process be scraped."""
        self._server, _ = start_http_server(self._port, HOST, self._registry)

    def hide(self) -> None:
        """Nobody can scrape the process any more; what it has counted stays."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def serve(self, checked: int, bad: int = 0) -> None:
        with self._registry.lock:
            self._checked.inc(checked)
            self.bad.inc(bad)

    def take(self, seconds: float, requests: int) -> None:
        """So many requests last so long."""
        with self._registry.lock:
            for _ in range(requests):
                self._duration.observe(seconds)

    def date_back(self, seconds: float | None) -> None:
        """Samples with a time of the exporter's own: older than what the store has."""
        self._registry.behind = seconds

    def audit(self, tokens: int, mismatches: int) -> None:
        with self._registry.lock:
            self._tokens.inc(tokens)
            self._mismatch.inc(mismatches)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Prometheus]:
    prometheus = Prometheus(folder)
    try:
        yield prometheus
    finally:
        prometheus.stop()
