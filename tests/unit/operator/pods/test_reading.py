"""From what a pod answers to what the decision hears."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime

import pytest
from sampler_rollouts.domain.observation import PodState, Reading
from sampler_rollouts.pods.fetch import Answer, NoAnswerError
from sampler_rollouts.pods.preflight import PodPreflights
from sampler_rollouts.reconcile.examining import BoundedPreflights

from tests.support.scenarios.reports import report

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SAID = "what the pod said"
POD = PodState("examines", "gpu", "r1", NOW, ready=False, address="10.0.0.1")


def reading(answer: Answer | Exception) -> Reading:
    def get(address: str) -> Answer:
        assert address == POD.address
        if isinstance(answer, Exception):
            raise answer
        return answer

    return PodPreflights(get).read(POD, NOW)


def test_a_result() -> None:
    found = reading(Answer(200, json.dumps(report("r1")).encode()))
    assert found.result is not None
    assert (found.result.pool, found.result.revision, found.result.pod) == ("gpu", "r1", "examines")
    assert (found.result.verdict, found.result.at) == ("Passed", NOW)


def test_everything_else_is_no_result_and_says_why() -> None:
    cases: dict[str, Answer | Exception] = {
        "Running": Answer(503, b'{"state": "running"}'),
        "Off": Answer(404, b""),
        "NoAnswer": NoAnswerError("it did not answer in time"),
        "Refused": Answer(200, b"[]"),
    }
    for reason, answer in cases.items():
        found = reading(answer)
        assert (found.result, found.reason, found.pool, found.revision) == (None, reason, "gpu", "r1")
        assert found.message.startswith("pod examines: ")
    assert reading(Answer(302, b"")).reason == reading(Answer(500, b"")).reason == "Refused"
    assert reading(Answer(200, json.dumps(report("r2")).encode())).message.endswith("of another revision")


async def test_pods_that_hang_hold_up_no_other_for_long(caplog: pytest.LogCaptureFixture) -> None:
    let_go = threading.Event()

    class Pods:
        def read(self, pod: PodState, now: datetime) -> Reading:
            if pod.name == "hangs":
                let_go.wait(30)
            if pod.name == "breaks":
                raise RuntimeError(SAID)
            return Reading(pod.name, pod.pool, pod.revision, None, "Running")

    pods = [PodState(name, "gpu", "r1", NOW, ready=False) for name in ("hangs", "breaks", "runs")]
    bounded = BoundedPreflights(Pods(), time_limit=0.3)
    try:
        found = await asyncio.wait_for(bounded.read(pods, NOW), 10)
    finally:
        let_go.set()
        bounded.close()
    assert [one.pod for one in found] == ["runs"]
    assert "RuntimeError" in caplog.text
    assert SAID not in caplog.text
