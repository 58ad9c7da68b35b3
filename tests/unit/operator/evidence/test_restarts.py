"""A crash cuts requests off before they are counted: what a restart hides must not help a build to pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from quality_contract import BAD, CHECKED
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.look import CheckLook, Verdict
from sampler_rollouts.domain.evidence.samples import Arm, CheckPlan, Question, SampleSet, Series

SINCE = datetime(2026, 11, 23, tzinfo=UTC)
PODS = ("p1", "p2")


def look(values: list[int]) -> CheckLook:
    """The look at the errors check when both pods count these requests, all good, 15 s apart."""
    times = tuple(SINCE.timestamp() + 15 * (index + 1) for index in range(len(values)))
    labels = {"check": "errors", "route_hash": "none"}
    series = tuple(
        Series(metric, name, "cpu-a", "r1", labels, times, tuple(float(v) for v in counts))
        for name in PODS
        for metric, counts in ((CHECKED, values), (BAD, [0] * len(values)))
    )
    arm = Arm("cpu-a", "r1", dict.fromkeys(PODS, SINCE))
    question = Question("ns", "x", "d", SINCE, (arm,), (CheckPlan("errors", 0.03),), 0.005, 0.95, 1.0, 1)
    now = datetime.fromtimestamp(times[-1], UTC) + timedelta(seconds=1)
    return evaluate(question, SampleSet(series, now), now).looks[("cpu-a", "errors")]


def test_a_build_that_crashes_under_load_does_not_pass() -> None:
    found = look([0, 20, 40, 5, 25, 40, 3, 20, 40])
    assert found.checked == 240
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.reason == "InvalidData"


def test_the_same_requests_without_a_crash_pass() -> None:
    assert look([0, 20, 40, 45, 65, 80, 83, 100, 120]).verdict is Verdict.PASSED


@pytest.mark.parametrize("more", [2_000])
def test_one_old_restart_is_outweighed_in_time(more: int) -> None:
    assert look([20, 40, 5, more]).verdict is Verdict.PASSED
