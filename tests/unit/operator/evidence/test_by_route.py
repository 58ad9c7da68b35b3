"""Both arms of a route table are of the same pods: the route hash that servers count by tells them apart (R11)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.fold import fold
from sampler_rollouts.domain.evidence.look import Verdict
from sampler_rollouts.domain.evidence.samples import CheckPlan, Question, SampleSet, Series

from tests.unit.operator.evidence.build import SCRAPE, START, at, pair, question

OLD, NEW = "aaaaaaaaaa", "bbbbbbbbbb"
MISROUTED = CheckPlan("misrouted", 0.01)
SCRAPES = 60


def asked(*, known: bool = False, pods: tuple[str, ...] = ("c1",)) -> Question:
    made = question(MISROUTED, births={pod: START - timedelta(hours=known) for pod in pods}, compared=True)
    (arm,) = made.arms
    return replace(made, arms=(replace(arm, stable_revision=arm.revision, route=NEW, stable_route=OLD),))


def told(route: str, each: int, bad: int, start: int = 0, pod: str = "c1", first: int = 1) -> list[Series]:
    """So many more at each scrape."""
    checked = [start + each * n for n in range(1, SCRAPES + 1)][: SCRAPES + 1 - first]
    wrong = [bad * n for n in range(1, SCRAPES + 1)][: SCRAPES + 1 - first]
    made = pair(checked, wrong, check="misrouted", route_hash=route, pod=pod, first=first)
    return made + pair(checked, [0] * len(checked), check="errors", route_hash=route, pod=pod, first=first)


def samples(*series: list[Series]) -> SampleSet:
    return SampleSet(series=tuple(one for each in series for one in each), scrape_interval=SCRAPE)


def test_each_arm_has_the_requests_that_were_told_its_hash() -> None:
    found = evaluate(asked(), samples(told(OLD, 20, 0, start=5000), told(NEW, 2, 1)), at(SCRAPES))
    look = found.looks["pool", "misrouted"]
    assert (look.checked, look.bad) == (2 * SCRAPES, SCRAPES)
    assert look.stable_bad == 0
    assert look.stable_checked > 0
    assert look.verdict is Verdict.FAILED
    traffic = found.traffic["pool"]
    assert traffic.candidate == 2 * SCRAPES
    assert traffic.stable < 21 * SCRAPES, "what was before the wave is not of it"


def test_what_is_wrong_by_the_old_table_does_not_count_against_the_new_one() -> None:
    found = evaluate(asked(), samples(told(OLD, 20, 20), told(NEW, 20, 0)), at(SCRAPES))
    look = found.looks["pool", "misrouted"]
    assert (look.checked, look.bad) == (20 * SCRAPES, 0)
    assert look.verdict is Verdict.PASSED


def test_a_hash_that_a_pod_has_never_told_counts_from_zero() -> None:
    first = evaluate(asked(), samples(told(OLD, 20, 0), told(NEW, 1, 1, first=SCRAPES)), at(SCRAPES))
    assert first.looks["pool", "misrouted"].checked == 1


def test_a_hash_of_an_earlier_try_counts_from_the_first_sample() -> None:
    again = samples(told(OLD, 20, 0), told(NEW, 2, 0, start=400))
    assert evaluate(asked(known=True), again, at(SCRAPES)).looks["pool", "misrouted"].checked == 2 * (SCRAPES - 1)
    assert evaluate(asked(), again, at(SCRAPES)).looks["pool", "misrouted"].checked == 400 + 2 * SCRAPES


def test_a_pod_that_no_request_of_the_new_table_has_reached_is_seen_all_the_same() -> None:
    series = samples(told(OLD, 20, 0), told(OLD, 20, 0, pod="c2"), told(NEW, 20, 0))
    found = evaluate(asked(pods=("c1", "c2")), series, at(SCRAPES))
    assert found.fresh["pool"]
    assert found.looks["pool", "misrouted"].verdict is Verdict.PASSED


def test_nothing_of_it_is_folded_for_both_arms_read_the_same_pods() -> None:
    series = samples(told(OLD, 20, 0), told(NEW, 2, 1))
    assert fold(asked(), series, int(at(50).timestamp() * 1000)) is series
