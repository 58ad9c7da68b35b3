"""Evidence recomputed from recorded statuses and raw samples, and the watcher that records them."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from quality_contract import BAD, CHECKED
from sampler_rollouts.domain.decision import ResourceMeta, question
from sampler_rollouts.domain.evidence.samples import SampleSet, Series
from sampler_rollouts.domain.status import Status

from local.demo import evidence
from local.demo.recording import ReleaseRecord
from local.demo.watcher import Watcher
from tests.unit.demo import made_up

BEGIN = datetime(2027, 1, 15, 8, tzinfo=UTC)
T0 = BEGIN.timestamp()


def when(second: int) -> str:
    return (BEGIN + timedelta(seconds=second)).isoformat()


def rollout(births: dict[str, int], stage: str = "Progressing") -> dict[str, Any]:
    release = {"hash": "new", "since": when(0), "pools": [{"name": "wide", "revision": "r2"}]}
    stable = {"hash": "old", "since": when(0), "pools": [{"name": "wide", "revision": "r1"}]}
    quality = {
        "metricsSource": "default",
        "falseRollbackRate": "1%",
        "passConfidence": "95%",
        "designEffect": "1",
        "checks": [{"name": "errors", "maxRate": "3%"}],
        "tests": 1,
    }
    plan = {
        "release": "new",
        "startedAt": when(0),
        "quality": quality,
        "waves": [["wide"]],
        "progressDeadline": 60,
        "deadline": 600,
        "bakeTime": 10,
        "clock": {"since": when(0)},
        "weight": 50,
        "births": [{"pod": pod, "pool": "wide", "at": when(at)} for pod, at in births.items()],
    }
    status = {"stage": stage, "candidate": release, "stable": stable, "rollout": plan}
    return {
        "metadata": {"namespace": "demo", "name": "chat", "generation": 1, "resourceVersion": "1"},
        "status": status,
    }


def samples(bad_each: float) -> SampleSet:
    """A candidate's pod and a clean one of stable, scraped every 2 s from second 10 to 60, five requests a scrape."""
    times = tuple(T0 + t for t in range(10, 61, 2))
    counts = tuple(5.0 * i for i in range(len(times)))

    def series(metric: str, values: tuple[float, ...], pod: str = "pod-1", revision: str = "r2") -> Series:
        labels = {"check": "errors", "route_hash": "none"}
        return Series(metric, pod, "wide", revision, labels, times, values)

    bad = tuple(float(int(c * bad_each)) for c in counts)
    clean = (0.0,) * len(times)
    stable = (series(CHECKED, counts, "pod-0", "r1"), series(BAD, clean, "pod-0", "r1"))
    return SampleSet((series(CHECKED, counts), series(BAD, bad), *stable), scrape_interval=2.0)


def test_the_question_is_the_last_one_that_was_open():
    seen = [
        (T0 + 5, rollout({"pod-1": 4})),
        (T0 + 30, rollout({"pod-1": 4, "pod-2": 28})),
        (T0 + 61, rollout({}, "Serving")),
    ]
    wanted = evidence.asked(seen)
    assert wanted is not None
    assert set(wanted.arms[0].births) == {"pod-1", "pod-2"}
    assert evidence.asked(seen[2:]) is None


def test_what_is_asked_of_the_release_that_serves_afterwards_is_another_question():
    tried, after = rollout({"pod-1": 4}), rollout({}, "Serving")
    plan = after["status"].pop("rollout")
    watch = {
        "release": "old",
        "since": when(61),
        "seconds": 86400,
        "quality": plan["quality"],
        "births": plan["births"],
    }
    after["status"] |= {"candidate": None, "watch": watch}
    later = datetime.fromtimestamp(T0 + 61, UTC)
    watched = question(ResourceMeta.of(after["metadata"]), {}, Status.load(after["status"]), later)
    assert watched is not None
    wanted = evidence.asked([(T0 + 30, tried), (T0 + 61, after)])
    assert wanted is not None
    assert [arm.revision for arm in wanted.arms] == ["r2"]


def test_evidence_grows_until_the_threshold_and_knows_only_what_had_happened():
    wanted = evidence.asked([(T0 + 30, rollout({"pod-1": 4, "pod-2": 55}))])
    assert wanted is not None
    points = evidence.over_time(wanted, samples(0.5), T0 + 60)
    assert points[0].verdict == "Inconclusive"
    assert points[-1].verdict == "Failed"
    assert points[-1].log_e > points[-1].log_threshold > points[0].log_e
    assert [p.checked for p in points] == sorted(p.checked for p in points)


def test_clean_evidence_passes_below_its_limit():
    wanted = evidence.asked([(T0 + 30, rollout({"pod-1": 4}))])
    assert wanted is not None
    points = evidence.over_time(wanted, samples(0.0), T0 + 60)
    assert points[-1].verdict == "Passed"
    assert points[-1].upper_bound < points[-1].max_rate
    assert all(p.log_e < 0.5 for p in points)


def test_a_release_without_a_question_or_without_prometheus_says_so():
    record: ReleaseRecord = made_up.release(2)
    evidence.note(record, [], "http://127.0.0.1:9", 2.0)
    assert "nothing was under test" in record.evidence_note
    evidence.note(record, [(T0 + 30, rollout({"pod-1": 4}))], "http://127.0.0.1:9", 2.0)
    assert "Prometheus did not answer" in record.evidence_note


class FakeApi:
    """An API server that shows one version after the other, and fails in between."""

    def __init__(self) -> None:
        self.looks = 0

    def rollout(self, namespace: str, name: str) -> dict[str, Any]:
        self.looks += 1
        if self.looks == 2:
            raise httpx.ConnectError("busy")
        found = rollout({})
        found["metadata"]["resourceVersion"] = str(self.looks // 3)
        return found

    def pods(self, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        return []

    def events(self, namespace: str, name: str) -> list[dict[str, Any]]:
        return [
            {"metadata": {"uid": "1", "creationTimestamp": when(3)}, "type": "Normal", "reason": "R", "message": "m"}
        ]


def test_the_watcher_records_and_outlives_a_busy_api_server():
    api = FakeApi()
    watcher = Watcher(api, "demo", "chat", every=0.01)  # type: ignore[arg-type]
    watcher.start()
    deadline = time.monotonic() + 5
    while len(watcher.statuses(0)) < 6:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    watcher.stop()
    assert api.looks > len(watcher.statuses(0))  # one of them failed
    assert len(watcher.raw(0)) < len(watcher.statuses(0))
    assert watcher.latest() == watcher.statuses(0)[-1]
    assert [e.reason for e in watcher.events(T0)] == ["R"]
    assert watcher.events(T0 + 60) == []


class SlowApi(FakeApi):
    """The first look has the object as it was, and is still about its pods when a newer one is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go_on = threading.Event(), threading.Event()

    def rollout(self, namespace: str, name: str) -> dict[str, Any]:
        self.looks += 1
        found = rollout({})
        found["metadata"] |= {"resourceVersion": str(self.looks), "generation": self.looks}
        return found

    def pods(self, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        if self.looks == 1:
            self.asked.set()
            assert self.go_on.wait(5)
        return []


def test_the_newest_look_is_the_newest_object_whoever_looks_beside_it():
    """Otherwise what was true before a change is taken for what came of it."""
    api = SlowApi()
    watcher = Watcher(api, "demo", "chat")  # type: ignore[arg-type]
    slow, quick = (threading.Thread(target=watcher.look) for _ in range(2))
    slow.start()
    assert api.asked.wait(5)
    quick.start()
    quick.join(0.2)  # as long as the slow one looks, the other waits: it would have ended by now
    api.go_on.set()
    slow.join(5)
    quick.join(5)
    latest = watcher.latest()
    assert latest is not None
    assert latest.generation == 2


@pytest.mark.parametrize("births", [{}, {"pod-1": 4}])
def test_no_samples_give_no_points(births):
    wanted = evidence.asked([(T0 + 30, rollout(births))])
    assert wanted is not None
    assert evidence.over_time(wanted, SampleSet(scrape_interval=2.0), T0 + 60) == []
