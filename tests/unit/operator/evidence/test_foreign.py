"""Servers that have none of our counters: one counter told apart by a label, and what the prober found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from quality_contract import CHECK_PROBE_EQUALITY, PROBE_ROUTE_HASH
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.fold import fold
from sampler_rollouts.domain.evidence.look import Evidence
from sampler_rollouts.domain.evidence.samples import CheckPlan, Question, SampleSet, Series
from sampler_rollouts.metrics import selectors

from tests.unit.operator.evidence.build import NAN, at, pair, question, samples, series, summary

SCRAPES = 21
NAME = "vllm:request_success_total"
ENDS = CheckPlan(
    "failed", 0.03, metrics=(NAME, NAME), bad_label="finished_reason", bad_values=frozenset({"error", "abort"})
)
EQUAL = CheckPlan(CHECK_PROBE_EQUALITY, 0.05)
STABLE = {"pod": "s1", "revision": "old"}


def course(each: float, scrapes: int = SCRAPES) -> list[float | None]:
    return [float(int(each * scrape)) for scrape in range(scrapes)]


def ends(reason: str, values: list[float | None], **where: Any) -> Series:
    return series(NAME, values, engine="0", finished_reason=reason, **where)


def vllm(stop: float, error: float, **where: Any) -> list[Series]:
    return [
        ends("stop", course(stop), **where),
        ends("error", course(error), **where),
        ends("abort", course(0), **where),
    ]


def prober(checked: float, bad: float, revision: str = "new") -> list[Series]:
    where = {"pod": "chat-probe-x", "revision": revision, "route_hash": PROBE_ROUTE_HASH}
    return pair(course(checked), course(bad), check=CHECK_PROBE_EQUALITY, **where)


def look(asked: Question, found: SampleSet, scrape: float = SCRAPES) -> tuple[str, str, int, int]:
    evidence = evaluate(asked, found, at(scrape))
    (one,) = evidence.looks.values()
    return summary(one)


def one_pod(*plans: CheckPlan, **changes: Any) -> Question:
    return question(*(plans or (ENDS,)), births=["c1"], **changes)


def test_a_pod_that_has_none_of_our_counters_is_fresh_and_passes() -> None:
    found = samples(vllm(10, 0))
    assert evaluate(one_pod(), found, at(SCRAPES)).fresh == {"pool": True}
    assert look(one_pod(), found) == ("Passed", "", 200, 0)
    assert evaluate(one_pod(), found, at(SCRAPES + 4)).fresh == {"pool": False}, "three scrapes and none"


def test_bad_values_of_the_label_fail_it_beside_a_stable_of_the_same_kind() -> None:
    asked = one_pod(compared=True)
    assert look(asked, samples(vllm(10, 4), vllm(10, 0, **STABLE)))[0] == "Failed"
    shared = look(asked, samples(vllm(10, 4), vllm(10, 4, **STABLE)))
    assert shared[:2] == ("Inconclusive", "SharedDegradation")
    assert look(asked, samples(vllm(10, 0), vllm(10, 0, **STABLE)))[0] == "Passed"


@pytest.mark.parametrize("bake", [0, 60])
def test_a_value_whose_newest_sample_is_not_stored_yet_is_awaited(bake: int) -> None:
    """Without it the sum would fall, as if the process were new, and all that it has counted would count again."""
    scrapes = 241
    pods = [
        [ends("stop", course(20, scrapes), pod=pod), ends("error", course(0.1, scrapes), pod=pod)]
        for pod in ("c1", "c2")
    ]
    late = [[replace(stop, times=stop.times[:-1], values=stop.values[:-1]), error] for stop, error in pods]
    asked = question(ENDS, births=["c1", "c2"], bake_intervals=bake)
    assert look(asked, samples(*pods), scrapes) == ("Passed", "", 9648, 48)
    assert look(asked, samples(*late), scrapes) == ("Passed", "", 9606, 46), "one scrape less"


def test_a_value_that_is_gone_for_good_holds_nothing_up_and_takes_nothing_away() -> None:
    scrapes = 100
    gone = [*course(10, 30), *[None] * (scrapes - 30)]
    found = samples([ends("stop", course(10, scrapes)), ends("length", gone), ends("error", course(0, scrapes))])
    assert look(one_pod(), found, scrapes) == ("Passed", "", 990 + 290, 0)


def test_a_value_that_a_new_process_has_not_counted_yet_is_not_waited_for() -> None:
    stop: list[float | None] = [*course(10, 11), *course(10, 10)]
    error: list[float | None] = [*course(0.1, 11), *[None] * 10]
    assert look(one_pod(), samples([ends("stop", stop), ends("error", error)]))[2] == 191
    busy: list[float | None] = [*course(10, 11), *[value + 5 for value in course(10, 10) if value is not None]]
    found = look(one_pod(), samples([ends("stop", busy), ends("error", error)]))
    assert found[2:] == (196, 1), "what the old one had counted is not the new one's"


def test_a_value_that_appears_late_counts_from_zero() -> None:
    late: list[float | None] = [*[None] * 10, *[float(n) for n in range(1, 12)]]
    found = samples([ends("stop", course(10)), ends("error", late)])
    assert look(one_pod(), found)[2:] == (211, 11)
    assert look(one_pod(), samples([ends("stop", course(10))]))[2:] == (200, 0)


def test_a_sample_that_cannot_be_believed_is_no_restart() -> None:
    stop = course(10)
    stop[7] = NAN
    found = samples([ends("stop", stop), ends("error", course(1))])
    assert look(one_pod(), found)[2:] == (220, 20)


def test_a_restart_counts_from_zero() -> None:
    stop: list[float | None] = [*course(10, 11), *course(10, 10)]
    assert look(one_pod(), samples([ends("stop", stop), ends("error", course(0))]))[2:] == (190, 0)


@pytest.mark.parametrize("cut", [3, 10, 19])
@pytest.mark.parametrize("late", [False, True])
def test_folded_or_not_it_is_the_same(cut: int, late: bool) -> None:
    error: list[float | None] = [*[None] * 12, *[1.0] * 9] if late else course(0.4)
    own = [ends("stop", course(9.5)), ends("error", error)]
    found = samples(own, vllm(8, 0.3, **STABLE), prober(3, 1), prober(3, 0, "old"))
    asked = one_pod(ENDS, EQUAL, compared=True, probes=True)
    folded = fold(asked, found, round(at(cut).timestamp() * 1000))
    assert folded.folded
    assert _numbers(evaluate(asked, folded, at(SCRAPES))) == _numbers(evaluate(asked, found, at(SCRAPES)))


def _numbers(evidence: Evidence) -> Any:
    plain = {
        key: replace(one, max_ratio=0.0, max_bias=0.0, ratio_bounds=(0.0, 0.0)) for key, one in evidence.looks.items()
    }
    return {key: (summary(one), one.log_e, one.upper_bound) for key, one in plain.items()}, evidence.traffic


def test_what_the_prober_found_of_the_candidate_decides() -> None:
    asked = one_pod(EQUAL, compared=True, probes=True)
    own = [*vllm(1, 0), *vllm(1, 0, **STABLE)]
    assert look(asked, samples(own, prober(5, 0), prober(5, 0, "old")))[0] == "Passed"
    assert look(asked, samples(own, prober(5, 4), prober(5, 0, "old")))[0] == "Failed"
    both = look(asked, samples(own, prober(5, 4), prober(5, 4, "old")))
    assert both[:2] == ("Inconclusive", "SharedDegradation"), "a model that never answers the same way twice"


def test_without_a_prober_nothing_of_it_passes() -> None:
    assert look(one_pod(EQUAL, probes=True), samples(vllm(10, 0)))[:2] == ("Inconclusive", "NoData")
    gone = [replace(one, times=one.times[:10], values=one.values[:10]) for one in prober(50, 0)]
    assert look(one_pod(EQUAL, probes=True), samples(vllm(10, 0), gone))[:2] == ("Inconclusive", "StaleData")


def test_the_prober_is_nobodys_server() -> None:
    found = evaluate(one_pod(EQUAL, probes=True), samples(prober(10, 0)), at(SCRAPES))
    assert found.fresh == {"pool": False}
    assert found.traffic["pool"].candidate == 0


def test_what_is_asked_of_the_store() -> None:
    (judged,) = selectors.of_judged(one_pod(EQUAL, probes=True))
    assert 'revision=~"new"' in str(judged)
    assert 'check=~"probe-equality"' in str(judged)
    assert "pod=" not in str(judged)
    assert list(selectors.of_judged(one_pod())) == []
    assert NAME in selectors.of_rollout(one_pod()).metrics
