"""A simulated look is what the operator finds in the raw counters of the very same requests."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from quality_contract import AUDIT_MISMATCH, AUDIT_TOKENS, BAD, CHECK_REPLAY_AUDIT, CHECKED, LABEL_CHECK
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.look import CheckLook, Verdict
from sampler_rollouts.domain.evidence.samples import Arm, CheckPlan, Question, SampleSet, Series
from samplerctl.simulated_evidence import Courses, Layout

START = datetime(2026, 11, 25, tzinfo=UTC)
BEGAN = START - timedelta(milliseconds=1)
"""So that stable's first sample, at 0, is its base line."""
SCRAPE, PODS = 15.0, 3
POOLS = ("cpu-a", "cpu-b")
PLANS = (
    CheckPlan("errors", 0.03, max_ratio=2.0, ignore_below=0.01),
    CheckPlan("unexpected-script", 0.02),
    CheckPlan("slow", max_ratio=1.5),
)
AUDIT = CheckPlan(CHECK_REPLAY_AUDIT, 0.001)


def question(*, compared: bool) -> Question:
    def arm(pool: str) -> Arm:
        pods = dict.fromkeys((f"{pool}-c{pod}" for pod in range(PODS)), BEGAN)
        return Arm(pool, "new", pods, "old", frozenset(pods), compared)

    return Question("", "", "", BEGAN, tuple(map(arm, POOLS)), (*PLANS, AUDIT), 0.005, 0.95, 1.5, 6)


def counters(name: str, pool: str, pod: str, labels: dict[str, str], gains: np.ndarray) -> Series:
    revision = "new" if "-c" in pod else "old"
    times = START.timestamp() + SCRAPE * np.arange(gains.size + 1)
    return Series(name, pod, pool, revision, labels, times, np.concatenate([[0], np.cumsum(gains)]).astype(float))


def raw(cells: list[tuple[np.ndarray, np.ndarray]], audits: list[tuple[np.ndarray, np.ndarray]]) -> SampleSet:
    series = []
    for place, pool in enumerate(POOLS):
        for slot in range(2 * PODS):
            pod = f"{pool}-{'c' if slot < PODS else 's'}{slot % PODS}"
            for number, plan in enumerate(PLANS):
                for which, name in enumerate((CHECKED, BAD)):
                    stream = place * len(PLANS) + number
                    gains = np.array([cell[which][slot, stream] for cell in cells])
                    series.append(counters(name, pool, pod, {LABEL_CHECK: plan.name}, gains))
            if slot < PODS:
                for which, name in enumerate((AUDIT_TOKENS, AUDIT_MISMATCH)):
                    gains = np.array([audit[which][slot, 0, place] for audit in audits])
                    series.append(counters(name, pool, pod, {"kind": "other-token"} if which else {}, gains))
    return SampleSet(series=tuple(series), scrape_interval=SCRAPE)


@pytest.mark.parametrize("rates", [(0.002, 0.002), (0.08, 0.004), (0.3, 0.3), (0.012, 0.01)])
@pytest.mark.parametrize("compared", [True, False])
def test_it_is_what_the_operator_finds(rates: tuple[float, float], compared: bool) -> None:
    random = np.random.default_rng(7)
    courses = Courses(Layout(1, POOLS, PLANS, AUDIT))
    every, cells, audits = np.zeros(1, dtype=np.int64), [], []
    seen = set()
    for number in range(1, 121):
        checked = random.poisson(12, (2 * PODS, len(POOLS) * len(PLANS)))
        checked[PODS - 1] *= number > 20  # a pod that comes later
        bad = random.binomial(checked, np.repeat(rates, PODS)[:, None])
        tokens = random.poisson(100, (PODS, 1, len(POOLS)))
        wrong = random.binomial(tokens, rates[0] / 2000)
        cells.append((checked, bad))
        audits.append((tokens, wrong))
        courses.add((checked, bad), PODS, every)
        courses.add_audit(tokens, wrong)
        if number % 40 and number > 6:
            continue
        now = START + timedelta(seconds=SCRAPE * number)
        asked = question(compared=compared)
        flags, ready = np.full((1, len(POOLS)), compared), np.full((1, len(POOLS)), PODS)
        simulated = courses.looks(asked, every, flags, ready, SCRAPE, now)[0].looks
        found = evaluate(asked, raw(cells, audits), now).looks
        assert simulated.keys() == found.keys()
        for key, look in found.items():
            assert numbers(simulated[key]) == numbers(look), key
            seen.add(look.verdict)
    assert len(seen) > 1  # the same verdict all the time would prove little


def numbers(look: CheckLook) -> tuple[object, ...]:
    """NaN equals NaN; what a ratio without a stable is called differs, and decides nothing."""
    limits = tuple(None if math.isnan(one) else one for one in (look.max_rate, look.max_ratio))
    reason = "TooFewRequests" if look.reason == "NothingToCompare" else look.reason
    counts = (look.checked, look.bad, look.stable_checked, look.stable_bad)
    return look.verdict, reason, counts, limits, look.upper_bound, look.log_e, look.log_threshold


def test_without_a_ready_pod_nothing_passes() -> None:
    courses = Courses(Layout(1, POOLS, PLANS, None))
    every = np.zeros(1, dtype=np.int64)
    courses.add((np.full((2 * PODS, 6), 500), np.zeros((2 * PODS, 6), dtype=np.int64)), PODS, every)
    ready = np.array([[0, 1]])
    found = courses.looks(question(compared=True), every, np.ones((1, 2), dtype=np.bool_), ready, SCRAPE, START)[0]
    assert found.looks["cpu-a", "errors"].reason == "NoData"
    assert found.looks["cpu-b", "unexpected-script"].verdict is Verdict.PASSED
    assert dict(found.fresh) == {"cpu-a": False, "cpu-b": True}
