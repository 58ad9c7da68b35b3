"""The bake's test: how seldom it alarms while nothing has changed, and how soon after a change."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampler_rollouts.domain.evidence.eprocess import log_e_value
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.fold import fold
from sampler_rollouts.domain.evidence.intervals import Increments
from sampler_rollouts.domain.evidence.samples import Series
from sampler_rollouts.domain.evidence.shiryaev import intervals_in, log_e, log_threshold

from tests.support.examples import examples
from tests.unit.operator.evidence.build import ERRORS, START, at, pair, question, samples

LIMIT = 0.05
LONG = 10**6
"""A bake so long that every weight is 1."""


def pod(checked: list[int], bad: list[int], minutes: list[int] | None = None) -> Increments:
    """One pod-interval each minute, or at these minutes."""
    ended = np.array(minutes if minutes is not None else range(len(checked)), dtype=np.int64) * 60_000 + 30_000
    return Increments(np.array(checked, dtype=np.int64), np.array(bad, dtype=np.int64), ended - 1000, ended)


def value(*pods: Increments, planned: int = LONG) -> float:
    return math.exp(log_e(pods, LIMIT, 0, planned)[0])


def test_by_hand() -> None:
    """Two intervals: changes before the first and before the second."""
    both, second = math.exp(float(log_e_value(30, 5, LIMIT))), math.exp(float(log_e_value(20, 3, LIMIT)))
    assert value(pod([10, 20], [2, 3])) == pytest.approx(both + second, rel=1e-12)
    assert value(pod([10, 20], [2, 3]), planned=1) == pytest.approx(both + second / 4, rel=1e-12)


def test_minutes_without_requests_are_no_intervals() -> None:
    assert value(pod([10, 20], [2, 3], [0, 50])) == value(pod([10, 20], [2, 3]))


@pytest.mark.parametrize("rate", [0.0, 0.02, LIMIT])
def test_it_gains_at_most_one_an_interval(rate: float) -> None:
    """Exhaustively for up to three intervals of two requests: the mean of R_t is at most t, and twice T."""
    for intervals, planned in itertools.product((1, 2, 3), (1, LONG)):
        mean = 0.0
        for outcome in itertools.product(range(3), repeat=intervals):
            chance = math.prod(math.comb(2, bad) * rate**bad * (1 - rate) ** (2 - bad) for bad in outcome)
            mean += chance * value(pod([2] * intervals, list(outcome)), planned=planned)
        assert mean <= min(intervals, 2 * planned) * (1 + 1e-12)


@pytest.mark.long
def test_false_alarms_over_a_bake_time() -> None:
    """600 bakes at the limit, 60 intervals of 10 requests on two pods, each looked at: at 20 % seldom, not never."""
    random = np.random.default_rng(4)
    alarmed, threshold = 0, log_threshold(1, 60, 0.2)
    for _ in range(600):
        bad = random.binomial(5, LIMIT, (2, 60))
        looks = (log_e([pod([5] * t, list(one[:t])) for one in bad], LIMIT, 0, 60)[0] for t in range(1, 61))
        alarmed += any(look >= threshold for look in looks)
    assert 0 < alarmed <= 600 * 0.2


def test_a_long_good_past_does_not_hide_a_change() -> None:
    threshold, good = log_threshold(4, intervals_in(24 * 3600), 0.005), 1000
    waited = next(
        n
        for n in range(1, 50)
        if log_e([pod([15] * (good + n), [0] * good + [3] * n)] * 2, LIMIT, 0, 1440)[1] >= threshold
    )
    assert waited <= 6
    assert float(log_e_value(30_000 + 30 * waited, 6 * waited, LIMIT)) < 0


def test_one_burst_on_one_pod_decides_nothing() -> None:
    quiet = pod([20] * 51, [0] * 51)
    whole, least = log_e([pod([20] * 50 + [5000], [0] * 50 + [5000]), quiet], LIMIT, 0, LONG)
    assert whole > 1000
    assert least < math.log(60)
    assert log_e([pod([20] * 50 + [5000] * 2, [0] * 50 + [5000] * 2), quiet], LIMIT, 0, LONG)[1] > 100


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=examples(40), deadline=None)
def test_leaving_one_out_is_at_most_what_leaving_any_one_out_gives(seed: int) -> None:
    random = np.random.default_rng(seed)
    checked = random.integers(1, 30, (2, 6))
    bad = random.binomial(checked, 0.2)
    pods = [pod(list(n), list(k)) for n, k in zip(checked, bad, strict=True)]
    found = [math.inf]
    for arm, place in itertools.product(range(2), range(6)):
        kept = np.arange(6) != place
        some = replace(pods[arm], **{name: getattr(pods[arm], name)[kept] for name in ("checked", "bad", "ended")})
        found.append(log_e([some, pods[1 - arm]], LIMIT, 0, LONG)[0])
    assert log_e(pods, LIMIT, 0, LONG)[1] <= min(found) + 1e-9


def test_finite_at_any_count() -> None:
    assert math.isfinite(log_e([pod([10**9] * 3, [10**9] * 3)] * 2, 1e-6, 0, 1440)[1])
    assert log_e([], LIMIT, 0, 1440) == (-math.inf, -math.inf)
    assert (intervals_in(0), intervals_in(61)) == (1, 2)


BAKE = question(ERRORS, births={"c1": at(-100), "c2": at(-100)}, since=START, bake_intervals=5)


def counters(bad: list[int]) -> list[int]:
    return [int(one) for one in np.cumsum([0, *bad])]


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(5, 190), min_size=1, max_size=3))
@settings(max_examples=examples(30), deadline=None)
def test_recomputed_from_folded_samples_a_look_is_the_same(seed: int, cuts: list[int]) -> None:
    random = np.random.default_rng(seed)
    asked = replace(BAKE, since=START - timedelta(seconds=seed % 60))  # minutes are counted from there
    found = []
    for name in ("c1", "c2"):
        checked = random.integers(0, 6, 200)
        bad = random.binomial(checked, random.choice([0.0, 0.05, 0.5]))
        found += pair(counters(list(checked)), counters(list(bad)), pod=name)
    whole = done = samples(found)
    for cut in sorted(set(cuts)):
        done = fold(asked, done, round(at(cut).timestamp() * 1000))
    assert done.folded
    assert evaluate(asked, done, at(201)) == evaluate(asked, whole, at(201))


@pytest.mark.parametrize(
    "found",
    [
        pair([2**53 - 1, 1, *range(3, 13)], [0] * 12),
        pair([2**53] * 12, [0] * 12) + pair(list(range(12)), [0] * 12, route_hash="late"),
        pair([6e15] * 12, [0] * 12) + pair([4e15 + k for k in range(12)], [0] * 12, route_hash="late"),
    ],
)
def test_counts_that_no_double_holds_are_summed_as_whole_numbers(found: list[Series]) -> None:
    asked = replace(BAKE, arms=question(ERRORS, births=["c1"]).arms)
    done = fold(asked, samples(found), round(at(9).timestamp() * 1000))
    assert evaluate(asked, done, at(13)) == evaluate(asked, samples(found), at(13))


def test_a_look_in_the_bake_alarms_on_a_change_and_says_its_threshold() -> None:
    def look(bad: list[int]) -> tuple[str, float]:
        rows = [one for name in ("c1", "c2") for one in pair(counters([5] * 200), counters(bad), pod=name)]
        found = evaluate(BAKE, samples(rows), at(201)).looks["pool", "errors"]
        return found.verdict.value, found.log_threshold

    assert look([0] * 200) == ("Passed", pytest.approx(math.log(4 * 2 * 5 / 0.005)))
    assert look([0] * 195 + [4] * 5)[0] == "Failed"
