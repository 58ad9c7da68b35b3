"""The whole data path against a real Prometheus that scrapes real exporters, well-behaved and not.

The program is the one that the local cluster runs.
"""

from __future__ import annotations

import contextlib
import json
import math
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from socketserver import BaseServer
from typing import TypeVar

import pytest
import requests
from prometheus_client import CollectorRegistry, Counter, start_http_server
from quality_contract import AUDIT_MISMATCH, AUDIT_TOKENS, BAD, CHECKED
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.look import CheckLook, Evidence, Traffic
from sampler_rollouts.domain.evidence.samples import Arm, CheckPlan, Question, SampleSet
from sampler_rollouts.metrics.config import MetricsSource
from sampler_rollouts.metrics.prometheus import PrometheusSource

from local import settings, tools

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(90)]

T = TypeVar("T")
SCRAPE = 0.25
PODS = {"c1": "new", "c2": "new", "x1": "new", "s1": "old"}
"""Revisions by pod name, in every rollout. Only c1 and c2 are the candidate's."""
ROLLOUTS = 12


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(probe.getsockname()[1]) for probe in probes]


def wait_for(ask: Callable[[], T], accept: Callable[[T], bool], seconds: float = 20) -> T:
    """Ask until the answer is acceptable; the last answer if time is up."""
    end = time.monotonic() + seconds
    answer = ask()
    while not accept(answer) and time.monotonic() < end:
        time.sleep(0.1)
        answer = ask()
    return answer


class Prometheus:
    """A real one on loopback, with its data in a folder of its own. It never asks anything of the network."""

    def __init__(self, folder: Path) -> None:
        program = str(tools.ensure(settings.load(), ["prometheus"])["prometheus"])
        own, *ports = free_ports(1 + ROLLOUTS * len(PODS))
        self.url = f"http://127.0.0.1:{own}"
        places = [(f"r{i}", pod) for i in range(ROLLOUTS) for pod in PODS]
        self.ports = dict(zip(places, ports, strict=True))
        self.unused = [f"r{i}" for i in range(ROLLOUTS)]
        (folder / "prometheus.yml").write_text(json.dumps(self._config()))
        files = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        self._command = [program, *files, f"--web.listen-address=127.0.0.1:{own}", "--log.level=error"]
        self.start()

    def _config(self) -> dict[str, object]:
        """Every pod that a test may start, with the labels that discovery would add."""
        targets = []
        for (rollout, pod), port in self.ports.items():
            labels = {"namespace": "team", "rollout": rollout, "pool": "pool", "pod": pod, "revision": PODS[pod]}
            targets.append({"targets": [f"127.0.0.1:{port}"], "labels": labels})
        interval = {"scrape_interval": "250ms", "scrape_timeout": "250ms"}
        return {"global": interval, "scrape_configs": [{"job_name": "samplers", "static_configs": targets}]}

    def start(self) -> None:
        self.process = subprocess.Popen(self._command)
        assert wait_for(self._ready, bool), "prometheus did not become ready"

    def _ready(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.url}/-/ready", timeout=1).ok
        return False

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


class Exporter:
    """A pod's metrics port, by the client library that the sampler uses."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: BaseServer | None = None

    def start(self, served: int = 0) -> None:
        """A new process as far as counters can tell: everything is zero."""
        registry = CollectorRegistry()
        labels = ["check", "route_hash"]
        self.checked = Counter(CHECKED, "checked", labels, registry=registry).labels("errors", "none")
        self.bad = Counter(BAD, "bad", labels, registry=registry).labels("errors", "none")
        tokens = Counter(AUDIT_TOKENS, "tokens", ["batch_bucket", "mode"], registry=registry)
        mismatch = Counter(AUDIT_MISMATCH, "mismatch", ["kind", "batch_bucket", "mode"], registry=registry)
        self.tokens, self.mismatch = tokens.labels("8", "greedy"), mismatch.labels("other-token", "8", "greedy")
        self.serve(served)
        self._server, _ = start_http_server(self._port, "127.0.0.1", registry)

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def serve(self, checked: int, bad: int = 0) -> None:
        self.checked.inc(checked)
        self.bad.inc(bad)


class Rollout:
    """One rollout with its pods, and the operator's view of it."""

    def __init__(self, prometheus: Prometheus, name: str) -> None:
        self._prometheus = prometheus
        self._name = name
        self.since = datetime.now(UTC)
        self._births: dict[str, datetime] = {}
        self.exporters: list[Exporter] = []
        self._source = PrometheusSource(MetricsSource(url=prometheus.url, timeout=1.0, scrape_interval=SCRAPE))

    def pod(self, name: str, served: int = 0) -> Exporter:
        exporter = Exporter(self._prometheus.ports[self._name, name])
        exporter.start(served)
        self.exporters.append(exporter)
        if name in {"c1", "c2"}:
            self._births[name] = datetime.now(UTC)
        return exporter

    def question(self) -> Question:
        checks = (CheckPlan("errors", 0.03), CheckPlan("replay-audit", 0.001))
        arms = (Arm("pool", "new", self._births, "old"),)
        return Question("team", self._name, "default", self.since, arms, checks, 0.005, 0.95, 1.0, 1)

    def fetch(self) -> SampleSet:
        return self._source.fetch(self.question(), datetime.now(UTC))

    def evidence(self) -> Evidence:
        answer = self.fetch()
        assert answer.asked_at
        return evaluate(self.question(), answer, answer.asked_at)

    def look(self, check: str = "errors") -> CheckLook:
        return self.evidence().looks["pool", check]

    def counted(self, checked: int, check: str = "errors") -> CheckLook:
        """Wait until so many are counted."""
        look = wait_for(lambda: self.look(check), lambda one: one.checked >= checked)
        assert look.checked == checked, look
        return look


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    running = Prometheus(tmp_path_factory.mktemp("prometheus"))
    yield running
    running.stop()


@pytest.fixture
def rollout(prometheus: Prometheus) -> Iterator[Rollout]:
    one = Rollout(prometheus, prometheus.unused.pop())
    yield one
    for exporter in one.exporters:
        exporter.stop()


def test_every_request_of_a_new_pod_counts(rollout: Rollout) -> None:
    """First seen at 40: a rate would lose them."""
    one, two = rollout.pod("c1", served=40), rollout.pod("c2", served=60)
    rollout.counted(100)
    one.serve(3)
    two.serve(2)
    assert rollout.counted(105).verdict.value == "Passed"
    assert rollout.evidence().fresh == {"pool": True}


def test_the_values_are_the_raw_ones(rollout: Rollout) -> None:
    exporter = rollout.pod("c1", served=1)
    rollout.counted(1)
    exporter.serve(1)
    rollout.counted(2)
    answer = rollout.fetch()
    checked = next(one for one in answer.series if one.metric == CHECKED)
    assert set(checked.values) == {1.0, 2.0}
    assert checked.labels == {"check": "errors", "route_hash": "none"}
    assert {one.metric for one in answer.series} == {CHECKED, BAD, AUDIT_TOKENS, AUDIT_MISMATCH}


def test_both_arms_are_told_apart(rollout: Rollout) -> None:
    stable = rollout.pod("s1", served=5000)
    wait_for(rollout.fetch, lambda answer: bool(answer.series))
    stable.serve(100)
    rollout.since = datetime.now(UTC)
    wait_for(rollout.fetch, lambda answer: answer.series[0].times[-1] > rollout.since.timestamp())
    rollout.pod("c1", served=10)
    rollout.counted(10)
    stable.serve(7)
    evidence = wait_for(rollout.evidence, lambda one: one.traffic["pool"].stable > 0)
    assert evidence.traffic == {"pool": Traffic(candidate=10, stable=7)}
    assert evidence.looks["pool", "errors"].checked == 10


def test_a_bad_build_fails_and_stays_failed_when_its_pods_are_gone(rollout: Rollout) -> None:
    pods = [rollout.pod("c1"), rollout.pod("c2")]
    for served in (5, 10, 15):
        for pod in pods:
            pod.serve(5, 3)
        rollout.counted(2 * served)
    for pod in pods:
        pod.stop()
    time.sleep(4 * SCRAPE)
    assert rollout.counted(30).verdict.value == "Failed"


def test_a_burst_on_one_pod_decides_nothing(rollout: Rollout) -> None:
    burst = rollout.pod("c1")
    rollout.pod("c2", served=5)
    rollout.counted(5)
    burst.serve(500, 500)
    assert rollout.counted(505).verdict.value == "Inconclusive"


def test_a_restart_loses_nothing_that_was_scraped(rollout: Rollout) -> None:
    exporter = rollout.pod("c1", served=50)
    rollout.counted(50)
    exporter.stop()
    exporter.start(served=6)
    exporter.serve(1, 1)
    look = rollout.counted(57)
    assert (look.bad, "started anew 1 times" in look.detail) == (1, True)


def test_a_counter_that_turns_nan_stops_counting(rollout: Rollout) -> None:
    exporter = rollout.pod("c1", served=200)
    assert rollout.counted(200).verdict.value == "Passed"
    exporter.bad.inc(math.nan)
    look = wait_for(rollout.look, lambda one: one.verdict.value != "Passed")
    assert (look.reason, look.checked) == ("InvalidData", 200)
    assert "NotANumber" in look.detail


def test_a_pod_that_cannot_be_scraped_is_stale(rollout: Rollout) -> None:
    exporter = rollout.pod("c1", served=200)
    rollout.counted(200)
    exporter.stop()
    look = wait_for(rollout.look, lambda one: one.verdict.value != "Passed")
    assert (look.reason, rollout.evidence().fresh) == ("StaleData", {"pool": False})
    exporter.start(served=1)
    assert rollout.counted(201).verdict.value == "Passed"


def test_mismatches_of_the_audit_are_confirmed(rollout: Rollout) -> None:
    exporter = rollout.pod("c1")
    exporter.tokens.inc(100)
    exporter.mismatch.inc()
    assert rollout.counted(100, "replay-audit").reason == "UnconfirmedMismatch"
    exporter.tokens.inc(100)
    exporter.mismatch.inc()
    look = rollout.counted(200, "replay-audit")
    assert (look.verdict.value, look.detail) == ("Failed", "2 x other-token at batch 8, on 1 pod")


def test_an_outage_of_prometheus_neither_passes_nor_fails(prometheus: Prometheus, rollout: Rollout) -> None:
    exporter = rollout.pod("c1", served=50)
    rollout.counted(50)
    prometheus.process.send_signal(signal.SIGSTOP)
    assert rollout.evidence().reason == "SourceTimeout"
    prometheus.process.send_signal(signal.SIGCONT)
    rollout.counted(50)
    prometheus.stop()
    exporter.serve(70, 1)
    evidence = rollout.evidence()
    assert evidence.reason == "SourceUnreachable"
    assert {look.verdict.value for look in evidence.looks.values()} == {"Inconclusive"}
    prometheus.start()
    assert rollout.counted(120).bad == 1


def test_pods_of_others_are_not_read(rollout: Rollout) -> None:
    """A series of the candidate's pool and revision, but of a pod that the rollout did not create."""
    rollout.pod("c1", served=5)
    rollout.pod("x1").serve(1000, 1000)
    wait_for(rollout.fetch, lambda answer: any(one.pod == "x1" and one.values[-1] for one in answer.series))
    assert rollout.counted(5).bad == 0
