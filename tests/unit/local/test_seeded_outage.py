"""A seeded outage of Prometheus is one outage of one process, or the test that caused it learns that it was not."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import faults
from tests.support.waiting import wait_for


class Pod:
    """Prometheus' pod: a process that sleeps, and what the kubelet says of it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(["sleep", "600"])
        self.restarts = 0
        self.cluster: Any = SimpleNamespace(kubectl=SimpleNamespace(get=self._get))

    def _get(self, *_: object, **__: object) -> dict[str, Any]:
        container = {"restartCount": self.restarts}
        return {"items": [{"metadata": {"uid": "u"}, "status": {"containerStatuses": [container]}}]}

    def state(self) -> str:
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def end(self) -> None:
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pod]:
    made = Pod()
    monkeypatch.setattr(faults, "_processes", lambda _: [made.process.pid] if made.process.poll() is None else [])
    yield made
    made.end()


def test_it_stands_still_and_goes_on(pod: Pod) -> None:
    with faults.paused_prometheus(pod.cluster):
        wait_for("the process standing still", lambda: pod.state() == "T", timeout=10)
    wait_for("the process going on", lambda: pod.state() in "SR", timeout=10)


def test_a_restart_meanwhile_fails_the_test(pod: Pod) -> None:
    with pytest.raises(AssertionError, match="restarted"), faults.paused_prometheus(pod.cluster):
        pod.restarts = 1


def test_an_end_meanwhile_fails_the_test(pod: Pod) -> None:
    with pytest.raises(AssertionError, match="restarted"), faults.paused_prometheus(pod.cluster):
        pod.end()


def test_it_goes_on_whatever_the_test_found(pod: Pod) -> None:
    with pytest.raises(LookupError), faults.paused_prometheus(pod.cluster):
        raise LookupError
    wait_for("the process going on", lambda: pod.state() in "SR", timeout=10)
