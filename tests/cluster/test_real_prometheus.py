"""The whole data path against a real Prometheus that scrapes real exporters, well-behaved and not.

The program is the one that the local cluster runs. It scrapes every 250 ms, but the source is told of a scrape every
two seconds, so that data stay fresh for six: on a loaded machine scrapes are late, and only a pod that is really silent
may become stale. Every state is waited for; a count may be seen a look before the state that it leads to.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from quality_contract import AUDIT_MISMATCH, AUDIT_TOKENS, BAD, CHECKED
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.look import CheckLook, Evidence, Traffic
from sampler_rollouts.domain.evidence.samples import Arm, CheckPlan, Question, SampleSet
from sampler_rollouts.metrics.config import MetricsSource
from sampler_rollouts.metrics.prometheus import PrometheusSource

from tests.cluster.scraped import TWICE, Exporter, Prometheus, running, wait_for

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(240)]

DECLARED_SCRAPE = 2.0


class Rollout:
    """One rollout with its pods, and the operator's view of it."""

    def __init__(self, prometheus: Prometheus, name: str, source: PrometheusSource | None = None) -> None:
        self._prometheus = prometheus
        self._name = name
        self.since = datetime.now(UTC)
        self._births: dict[str, datetime] = {}
        self.exporters: list[Exporter] = []
        self.checks: tuple[CheckPlan, ...] = (CheckPlan("errors", 0.03), CheckPlan("replay-audit", 0.001))
        self.source = source or PrometheusSource(
            MetricsSource(url=prometheus.url, timeout=4, scrape_interval=DECLARED_SCRAPE)
        )

    def pod(self, name: str, served: int = 0) -> Exporter:
        exporter = Exporter(self._prometheus.ports[self._name, name])
        exporter.start(served)
        self.exporters.append(exporter)
        if name in {"c1", "c2"}:
            self._births[name] = datetime.now(UTC)
        return exporter

    def question(self) -> Question:
        arms = (Arm("pool", "new", dict(self._births), "old"),)
        return Question("team", self._name, "default", self.since, arms, self.checks, 0.005, 0.95, 1.0, 1)

    def fetch(self) -> SampleSet:
        return self.source.fetch(self.question(), datetime.now(UTC))

    def evidence(self) -> Evidence:
        answer = self.fetch()
        assert answer.asked_at
        return evaluate(self.question(), answer, answer.asked_at)

    def look(self, check: str = "errors") -> CheckLook:
        return self.evidence().looks["pool", check]

    def counted(self, checked: int, check: str = "errors") -> CheckLook:
        """Wait until so many are counted, by a look that had data."""
        look = wait_for(lambda: self.look(check), lambda one: one.checked >= checked, f"{checked} {check}")
        assert look.checked == checked, look
        return look

    def becomes(self, state: str, checked: int, check: str = "errors") -> CheckLook:
        """Wait for a verdict, or the reason for none, at exactly so many checked requests."""
        return wait_for(
            lambda: self.look(check),
            lambda one: state == (one.reason or one.verdict.value) and one.checked == checked,
            f"{state} at {checked} {check}",
        )


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with running(tmp_path_factory.mktemp("prometheus")) as one:
        yield one


@pytest.fixture
def rollout(prometheus: Prometheus) -> Iterator[Rollout]:
    one = Rollout(prometheus, prometheus.unused.pop())
    yield one
    for exporter in one.exporters:
        exporter.hide()


def test_every_request_of_a_new_pod_counts(rollout: Rollout) -> None:
    """First seen at 40: a rate would lose them."""
    one, two = rollout.pod("c1", served=40), rollout.pod("c2", served=60)
    rollout.counted(100)
    one.serve(3)
    two.serve(2)
    rollout.becomes("Passed", 105)
    wait_for(rollout.evidence, lambda seen: seen.fresh == {"pool": True}, "fresh")


def test_the_values_are_the_raw_ones(rollout: Rollout) -> None:
    exporter = rollout.pod("c1", served=1)
    rollout.counted(1)
    exporter.serve(1)
    rollout.counted(2)
    answer = wait_for(rollout.fetch, lambda one: bool(one.series), "samples")
    checked = next(one for one in answer.series if one.metric == CHECKED)
    assert set(checked.values) == {1.0, 2.0}
    assert checked.labels == {"check": "errors", "route_hash": "none"}
    assert {one.metric for one in answer.series} == {CHECKED, BAD, AUDIT_TOKENS, AUDIT_MISMATCH}


def test_both_arms_are_told_apart(rollout: Rollout) -> None:
    stable = rollout.pod("s1", served=5000)
    wait_for(rollout.fetch, lambda answer: bool(answer.series), "stable's samples")
    stable.serve(100)
    rollout.since = since = datetime.now(UTC)
    wait_for(
        rollout.fetch,
        lambda answer: bool(answer.series) and answer.series[0].times[-1] > since.timestamp(),
        "stable's base line",
    )
    rollout.pod("c1", served=10)
    rollout.counted(10)
    stable.serve(7)
    evidence = wait_for(
        rollout.evidence, lambda one: one.traffic == {"pool": Traffic(candidate=10, stable=7)}, "both arms' traffic"
    )
    assert evidence.looks["pool", "errors"].checked == 10


def test_a_bad_build_fails_and_stays_failed_when_its_pods_are_gone(rollout: Rollout) -> None:
    pods = [rollout.pod("c1"), rollout.pod("c2")]
    for served in (5, 10, 15):
        for pod in pods:
            pod.serve(5, 3)
        rollout.counted(2 * served)
    for pod in pods:
        pod.hide()
    evidence = wait_for(rollout.evidence, lambda one: one.available and one.fresh == {"pool": False}, "stale")
    assert evidence.looks["pool", "errors"].verdict.value == "Failed"


def test_a_burst_on_one_pod_decides_nothing(rollout: Rollout) -> None:
    burst = rollout.pod("c1")
    rollout.pod("c2", served=5)
    rollout.counted(5)
    burst.serve(500, 500)
    look = rollout.counted(505)
    assert (look.verdict.value, look.bad) == ("Inconclusive", 500)
    rollout.becomes("UnconfirmedBurst", 505)


def test_a_restart_loses_nothing_that_was_scraped(rollout: Rollout) -> None:
    exporter = rollout.pod("c1", served=50)
    rollout.counted(50)
    exporter.hide()
    exporter.start(served=6)
    exporter.serve(1, 1)
    look = rollout.counted(57)
    assert (look.bad, "started anew 1 times" in look.detail) == (1, True)


def test_what_a_restart_cut_off_may_have_been_bad(rollout: Rollout) -> None:
    """A first count of one: one request is doubtful, and 201 clean ones do not bear one bad one; 245 do."""
    exporter = rollout.pod("c1", served=200)
    rollout.becomes("Passed", 200)
    exporter.hide()
    exporter.start(served=1)
    rollout.becomes("InvalidData", 201)
    exporter.serve(44)
    rollout.becomes("Passed", 245)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_counter_that_turns_nan_stops_counting(rollout: Rollout, value: float) -> None:
    exporter = rollout.pod("c1", served=200)
    rollout.becomes("Passed", 200)
    exporter.bad.inc(value)
    assert "NotANumber" in rollout.becomes("InvalidData", 200).detail


def test_a_pod_that_cannot_be_scraped_is_stale(rollout: Rollout) -> None:
    exporter = rollout.pod("c1", served=200)
    rollout.becomes("Passed", 200)
    exporter.hide()
    rollout.becomes("StaleData", 200)
    assert rollout.evidence().fresh == {"pool": False}
    exporter.serve(1)
    exporter.show()
    rollout.becomes("Passed", 201)


def test_mismatches_of_the_audit_are_confirmed(rollout: Rollout) -> None:
    exporter = rollout.pod("c1")
    exporter.audit(100, 1)
    rollout.becomes("UnconfirmedMismatch", 100, "replay-audit")
    exporter.audit(100, 1)
    look = rollout.becomes("Failed", 200, "replay-audit")
    assert look.detail.startswith("2 x other-token at batch 8, on 1 pod")


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


def test_pods_of_others_are_not_read(prometheus: Prometheus, rollout: Rollout) -> None:
    """A series of the candidate's pool and revision, but of a pod that the rollout did not create."""
    rollout.pod("c1", served=5)
    rollout.pod("x1").serve(1000, 1000)
    wait_for(lambda: prometheus.newest(BAD, "x1"), lambda value: value == "1000", "the other pod is scraped")
    assert rollout.counted(5).bad == 0


def test_more_bad_than_checked_is_no_evidence_of_a_fault(rollout: Rollout) -> None:
    exporter = rollout.pod("c1", served=200)
    rollout.becomes("Passed", 200)
    exporter.serve(0, 90)
    look = rollout.becomes("InvalidData", 200)
    assert (look.bad, "BadAboveChecked" in look.detail) == (0, True)


def test_slow_requests_are_those_above_the_bound(rollout: Rollout) -> None:
    """By the very histogram that the sampler exposes, through a store that writes bounds in its own way."""
    rollout.checks = (CheckPlan("latency", 0.03, slower_than=2.0),)
    exporter = rollout.pod("c1")
    exporter.take(1.9, 100)
    exporter.take(2.0, 50)
    rollout.becomes("Passed", 150, "latency")
    exporter.take(2.1, 7)
    look = rollout.counted(157, "latency")
    assert look.bad == 7
    names = {one.metric for one in rollout.fetch().series}
    assert names == {CHECKED, BAD, "sampler_request_duration_seconds_count", "sampler_request_duration_seconds_bucket"}
    assert {one.labels.get("le") for one in rollout.fetch().series} == {None, "2.0"}


def test_samples_dated_back_are_no_samples(rollout: Rollout) -> None:
    """The store refuses what is older than what it has; the exporter's own time is no excuse for silence."""
    exporter = rollout.pod("c1", served=200)
    rollout.becomes("Passed", 200)
    exporter.date_back(600)
    exporter.serve(1)
    rollout.becomes("StaleData", 200)
    exporter.date_back(None)
    rollout.becomes("Passed", 201)


def test_a_pod_that_two_jobs_scrape_counts_once(prometheus: Prometheus) -> None:
    rollout = Rollout(prometheus, TWICE)
    exporter = rollout.pod("c1", served=40)
    rollout.counted(40)
    wait_for(rollout.fetch, lambda one: len(one.series) == 8, "both jobs' copies")
    exporter.serve(70, 1)
    assert rollout.counted(110).bad == 1
    exporter.hide()


def test_rollouts_of_one_source_are_read_together(prometheus: Prometheus, rollout: Rollout) -> None:
    other = Rollout(prometheus, prometheus.unused.pop(), rollout.source)
    other.checks = (CheckPlan("latency", 0.03, slower_than=2.0),)
    one, two = rollout.pod("c1", served=3), other.pod("c1")
    two.take(9.0, 5)
    for count in range(1, 6):
        rollout.counted(3 * count)
        assert other.counted(5 * count, "latency").bad == 5
        one.serve(3)
        two.take(0.2, 5)
    assert any(len(read.series) == 2 for read in rollout.source._shared._answers)
    two.hide()
