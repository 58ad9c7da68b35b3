"""Asks a pod for the result of its preflight, and says what came: a result, or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from quality_contract.preflight import PATH

from sampler_rollouts.domain.decision.examined import NO_ANSWER
from sampler_rollouts.domain.observation import PodState, Reading
from sampler_rollouts.domain.preflight import ReportRefusedError, read_report
from sampler_rollouts.domain.render import METRICS_PORT
from sampler_rollouts.pods.fetch import Answer, NoAnswerError, fetch, pod_address

SECONDS: Final = 3.0
"""For one pod."""
MOST_BYTES: Final = 1 << 20
"""A report of the longest plan has less than half of it."""
RUNNING: Final = "Running"
OFF: Final = "Off"
REFUSED: Final = "Refused"


class PodPreflights:
    """The port to the pods that examine. Stateless and thread-safe."""

    def __init__(self, get: Callable[[str], Answer] | None = None) -> None:
        self._get = get or _get

    def read(self, pod: PodState, now: datetime) -> Reading:
        """What one pod says. Never raises: whatever goes wrong is a reading without a result."""
        try:
            return self._judged(pod, self._get(pod.address), now)
        except NoAnswerError as problem:
            return _nothing(pod, NO_ANSWER, f"pod {pod.name}: {problem}")
        except ReportRefusedError as problem:
            return _nothing(pod, REFUSED, f"pod {pod.name}: {problem}")

    def _judged(self, pod: PodState, answer: Answer, now: datetime) -> Reading:
        if answer.status == 200:
            result = read_report(answer.body, pod.pool, pod.revision, pod.name, now)
            return Reading(pod.name, pod.pool, pod.revision, result)
        if answer.status == 503:
            return _nothing(pod, RUNNING, f"pod {pod.name}: it is still running")
        if answer.status == 404:
            return _nothing(pod, OFF, f"pod {pod.name}: this server has no preflight")
        return _nothing(pod, REFUSED, f"pod {pod.name}: it answers HTTP {answer.status}")


def _get(address: str) -> Answer:
    return fetch(pod_address(address), METRICS_PORT, PATH, seconds=SECONDS, most=MOST_BYTES)


def _nothing(pod: PodState, reason: str, message: str) -> Reading:
    return Reading(pod.name, pod.pool, pod.revision, None, reason, message)
