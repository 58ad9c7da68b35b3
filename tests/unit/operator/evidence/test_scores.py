"""Checks of admins' templates, from raw samples: scores that are new only with a new run, and rates of other names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.fold import fold
from sampler_rollouts.domain.evidence.look import CheckLook, Verdict
from sampler_rollouts.domain.evidence.samples import CheckPlan, Question, Series

from tests.unit.operator.evidence.build import NAN, START, Values, at, pair, question, samples, series

EVAL = CheckPlan("my-eval", metrics=("eval_score", "eval_runs_total"), max_drop=0.02)
RATE = CheckPlan("refusals", 0.03, metrics=("answers_total", "refusals_total"))


def scored(score: Values, runs: Values, **where: Any) -> list[Series]:
    """Gauge and counter of one pod, and the requests by which its scrapes are known."""
    other = {name: value for name, value in where.items() if name in ("pod", "revision", "first")}
    idle = pair([10] * len(runs), [0] * len(runs), **other)
    return [series("eval_score", score, **where), series("eval_runs_total", runs, **where), *idle]


def asked(plan: CheckPlan = EVAL, **more: Any) -> Question:
    settings: dict[str, Any] = {"births": ("c1",), "compared": True}
    return question(plan, **settings | more)


def look(found: list[Series], plan: CheckPlan = EVAL, scrape: float = 40, **more: Any) -> CheckLook:
    return evaluate(asked(plan, **more), samples(found), at(scrape)).looks["pool", plan.name]


def test_a_gauge_that_is_scraped_again_is_one_score() -> None:
    found = look(scored([0.5] * 40, [1] * 10 + [2] * 20 + [3] * 10))
    assert found.checked == 3
    assert "mean score 0.5 of 1" in found.detail


def test_a_pod_that_was_there_before_counts_from_its_next_run() -> None:
    candidate = scored([0.5] * 40, [1] * 20 + [2] * 20)
    stable = scored([0.25] * 20 + [0.75] * 20, [7] * 20 + [8] * 20, pod="s1", revision="old")
    found = look([*candidate, *stable])
    assert "stable's 0.75 in 1 runs" in found.detail
    assert found.drop == pytest.approx(0.25)


@pytest.mark.parametrize("odd", [NAN, -0.5, 1.5, float("inf")])
def test_what_is_no_score_is_none(odd: float) -> None:
    found = look(scored([0.5] * 20 + [odd] * 20, [1] * 20 + [2] * 20))
    assert found.checked == 1
    assert sum(found.dropped.values()) > 0


def test_a_score_of_another_scale() -> None:
    plan = replace(EVAL, largest=100.0)
    assert "mean score 0.62 of 1" in look(scored([62.0] * 40, [1] * 40), plan).detail


def test_a_restart_is_a_new_run_if_it_has_run() -> None:
    assert look(scored([0.5] * 40, [3] * 20 + [1] * 20)).checked == 2
    assert look(scored([0.5] * 40, [3] * 20 + [0] * 20)).checked == 1


def test_runs_without_a_score_are_none() -> None:
    assert look(scored([None] * 20 + [0.5] * 20, [1] * 20 + [2] * 20)).checked == 1


def many(mean: float, runs: int, seed: int, **where: Any) -> list[Series]:
    drawn = np.random.default_rng(seed).binomial(50, mean, runs) / 50
    return scored(list(drawn), list(range(1, runs + 1)), **where)


def test_a_build_that_scores_lower_fails() -> None:
    found = look([*many(0.5, 120, 1), *many(0.8, 120, 2, pod="s1", revision="old", first=0)], scrape=121)
    assert found.verdict is Verdict.FAILED
    assert found.drop == pytest.approx(0.3, abs=0.05)


def test_an_equal_one_passes_when_there_were_enough_runs() -> None:
    def of(runs: int) -> CheckLook:
        both = [*many(0.8, runs, 3), *many(0.8, runs, 4, pod="s1", revision="old", first=0)]
        return look(both, replace(EVAL, max_drop=0.1), scrape=runs + 1)

    assert (of(20).verdict, of(20).reason) == (Verdict.INCONCLUSIVE, "TooFewRuns")
    assert of(400).verdict is Verdict.PASSED
    assert of(400).upper_bound < 0.1


def test_stale_scores_pass_nothing_and_still_fail() -> None:
    good = [*many(0.8, 400, 3), *many(0.8, 400, 4, pod="s1", revision="old", first=0)]
    found = look(good, replace(EVAL, max_drop=0.1), scrape=420)
    assert (found.verdict, found.reason) == (Verdict.INCONCLUSIVE, "StaleData")
    bad = [*many(0.5, 120, 1), *many(0.8, 120, 2, pod="s1", revision="old", first=0)]
    assert look(bad, scrape=150).verdict is Verdict.FAILED


def test_alone_there_is_nothing_to_compare_with() -> None:
    found = look(many(0.5, 120, 1), compared=False, scrape=121)
    assert (found.verdict, found.reason) == (Verdict.INCONCLUSIVE, "NothingToCompare")
    found = look(many(0.5, 120, 1), scrape=121)
    assert (found.verdict, found.reason) == (Verdict.INCONCLUSIVE, "NoStableData")


def test_one_pod_that_is_evaluated_is_enough() -> None:
    both = [*many(0.8, 400, 3), *many(0.8, 400, 4, pod="s1", revision="old", first=0)]
    idle = pair([10] * 400, [0] * 400, pod="c2")
    found = look([*both, *idle], replace(EVAL, max_drop=0.1), scrape=401, births=("c1", "c2"))
    assert found.verdict is Verdict.PASSED


@pytest.mark.parametrize("horizon", [7, 20, 33, 60, 119])
def test_folded_or_not_it_is_the_same(horizon: int) -> None:
    candidate = scored([0.5, NAN, *np.linspace(0, 1, 118)], [1, 1, *([2] * 30), *([1] * 30), *range(2, 60)])
    every = samples(candidate, many(0.8, 120, 2, pod="s1", revision="old", first=0))
    plan = asked()
    folded = fold(plan, every, round(at(horizon).timestamp() * 1000))
    assert evaluate(plan, folded, at(121)) == evaluate(plan, every, at(121))
    if horizon > 20:
        assert folded.folded
        assert sum(len(one.times) for one in folded.series) < sum(len(one.times) for one in every.series)


def test_a_counter_whose_twin_comes_later_is_not_folded_before() -> None:
    requests = [20 * count for count in range(1, 61)]
    late: Values = [None] * 40 + [count // 10 for count in requests[40:]]
    every = samples([series("answers_total", requests), series("refusals_total", late)], pair(requests, [0] * 60))
    plan = asked(RATE, compared=False)
    folded = fold(plan, every, round(at(30).timestamp() * 1000))
    assert evaluate(plan, every, at(61)).looks["pool", "refusals"].checked == 1200
    assert evaluate(plan, folded, at(61)) == evaluate(plan, every, at(61))


def test_a_rate_of_other_names_is_read_like_any_other() -> None:
    requests, bad = [20 * count for count in range(1, 61)], [3 * count for count in range(1, 61)]
    found = [series("answers_total", requests), series("refusals_total", bad, model="x"), *pair(requests, [0] * 60)]
    assert look(found, RATE, scrape=61, compared=False).checked == 0  # twins have the same labels
    found[1] = series("refusals_total", bad)
    failed = look(found, RATE, scrape=61, compared=False)
    assert (failed.verdict, failed.checked, failed.bad) == (Verdict.FAILED, 1200, 180)
    assert at(61) > START


def test_a_check_that_nobody_can_read_passes_and_fails_nothing() -> None:
    plan = CheckPlan("my-eval", max_drop=0.02, problem="there is no ClusterCheckTemplate eval-score")
    found = look(many(0.1, 100, 1), plan, scrape=101)
    assert (found.verdict, found.reason) == (Verdict.INCONCLUSIVE, "TemplateMissing")
    assert "there is no ClusterCheckTemplate eval-score" in found.detail
    unread = look(many(0.1, 100, 1), replace(plan, unread=True), scrape=101)
    assert (unread.verdict, unread.reason) == (Verdict.INCONCLUSIVE, "TemplateUnread")


SLOW = CheckPlan("slow-answers", 0.03, metrics=("vllm:took_count", "vllm:took_bucket"), slower_than=2.5)


def timed(count: Values, within: Values, *, le: str = "2.5", **labels: str) -> list[Series]:
    return [series("vllm:took_count", count, **labels), series("vllm:took_bucket", within, le=le, **labels)]


def test_a_histogram_of_another_name_is_read_model_by_model() -> None:
    count, idle = [20 * one for one in range(1, 61)], pair([10] * 60, [0] * 60)
    within = [one * 9 // 10 for one in count]
    found = look([*timed(count, within, model="x"), *timed(count, count, model="y"), *idle], SLOW, 61, compared=False)
    assert (found.verdict, found.checked, found.bad) == (Verdict.FAILED, 2400, 120)
    other = look([*timed(count, within, le="5.0", model="x"), *idle], SLOW, 61, compared=False)
    assert (other.checked, other.reason) == (0, "InvalidData")


@pytest.mark.parametrize("horizon", [7, 30, 59])
def test_a_histogram_folded_or_not_is_the_same(horizon: int) -> None:
    count = [20 * one for one in range(1, 31)] + [7 * one for one in range(1, 31)]
    late: Values = [None] * 25 + [one * 8 // 10 for one in count[25:]]
    both = [*timed(count, late, model="x"), *timed(count, [one // 2 for one in count], model="y")]
    every, plan = samples(both, pair(count, [0] * 60)), asked(SLOW, compared=False)
    folded = fold(plan, every, round(at(horizon).timestamp() * 1000))
    assert evaluate(plan, folded, at(61)) == evaluate(plan, every, at(61))
    assert bool(folded.folded) == (horizon > 25)
