"""What a gateway sent and no pod accounts for lets nothing pass, and fails nothing (R13)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quality_contract import REQUESTS_NOT_STARTED, REQUESTS_STARTED
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.fold import fold
from sampler_rollouts.domain.evidence.look import CheckLook, Evidence
from sampler_rollouts.domain.evidence.samples import CheckPlan, Question, SampleSet, Series
from sampler_rollouts.domain.evidence.unaccounted import NO_SAMPLES, NOT_ASKED, Account, thinned

from tests.support.examples import examples
from tests.unit.operator.evidence.build import ERRORS, Values, at, audit, pair, question, samples, series, summary

ASKED = question(births={"c1": at(0.2)}, routed=True)
NOTHING: list[float] = [0.0]


def steadily(each: int, count: int = 20) -> list[float]:
    return [float(each * (place + 1)) for place in range(count)]


def told(started: Values, other: Values = (), *, pod: str = "c1") -> list[Series]:
    """A pod's own account of users' requests, all of them good."""
    zeros = [0.0] * len(started)
    found = [series(REQUESTS_STARTED, started, pod=pod), series(REQUESTS_NOT_STARTED, other or zeros, pod=pod)]
    return found + pair(started, zeros, pod=pod)


def by_gateway(values: Values, *, pod: str = "c1", gateway: str = "edge-1", first: float = 0.4) -> Series:
    """Counted at the gateway, and read at other times than the pod is: 1.2 s before its scrapes."""
    one = series("envoy_cluster_endpoint_rq_total", values, pod=pod, instance=gateway)
    return replace(one, times=tuple(at(first + place).timestamp() for place in range(len(values))))


def seen(found: list[Series], sent: list[Series] | None, asked: Question = ASKED, now: float = 20) -> Evidence:
    return evaluate(asked, samples(found, sent=None if sent is None else tuple(sent)), at(now))


def errors(evidence: Evidence) -> CheckLook:
    return evidence.looks["pool", "errors"]


def test_what_is_accounted_for_changes_nothing() -> None:
    found = told(steadily(20))
    evidence = seen(found, [by_gateway(steadily(20))])

    assert summary(errors(evidence)) == ("Passed", "", 400, 0)
    assert errors(evidence) == errors(seen(found, None))
    assert evidence.accounts == {"pool": Account(sent=400)}


def test_what_is_lost_may_all_have_been_bad() -> None:
    """16 of 416 are 3.8 %: above the 3 % that are allowed. One is not."""
    found = told(steadily(20))
    many, few = (seen(found, [by_gateway([20.0 * place + lost for place in range(1, 21)])]) for lost in (16, 1))

    assert summary(errors(many)) == ("Inconclusive", "Unaccounted", 400, 0)
    assert errors(many).dropped == {"Unaccounted": 16}
    assert "16 requests that the gateway sent are accounted for by no pod" in errors(many).detail
    assert many.accounts == {"pool": Account(sent=416, lost=16)}
    assert errors(few).verdict == "Passed"
    assert errors(few).upper_bound > errors(seen(found, None)).upper_bound


def test_it_never_fails() -> None:
    evidence = seen(told(steadily(20)), [by_gateway(steadily(4000))])

    assert errors(evidence).verdict == "Inconclusive"
    assert errors(evidence).log_e == errors(seen(told(steadily(20)), None)).log_e


def test_requests_that_are_answered_without_being_taken_on_are_accounted_for() -> None:
    evidence = seen(told(steadily(20), steadily(30)), [by_gateway(steadily(50))])

    assert evidence.accounts == {"pool": Account(sent=1000)}


def test_what_is_on_its_way_is_not_lost() -> None:
    """The gateway's count is newer than the pod's, or by less than a second older."""
    found = told(steadily(20, 10))
    late = by_gateway([*steadily(20, 10), *[2000.0] * 3], first=0.4)
    just = by_gateway([*steadily(20, 9), 2000.0], first=0.7)

    assert seen(found, [late], now=10).accounts["pool"].lost == 0
    assert seen(found, [just], now=10).accounts["pool"].lost == 0


def test_a_process_that_dies_takes_its_counts_with_it_and_that_is_seen() -> None:
    """The pod's counters start anew after 90 more requests than it had told of."""
    counts = [20.0 * place for place in range(1, 11)]
    found = told([*counts, *counts])
    sent = by_gateway([*counts, *[200.0 + 90 + count for count in counts]])
    evidence = seen(found, [sent])

    assert evidence.accounts == {"pool": Account(sent=490, lost=90)}
    assert errors(evidence).reason == "Unaccounted"


def test_a_gateway_that_starts_anew_loses_nothing_of_what_was_read() -> None:
    counts = [20.0 * place for place in range(1, 11)]
    evidence = seen(told(steadily(20)), [by_gateway([*counts, *counts])])

    assert evidence.accounts == {"pool": Account(sent=400)}


def test_gateways_are_added_and_copies_are_not() -> None:
    one, other = by_gateway(steadily(12)), by_gateway(steadily(8), gateway="edge-2")

    assert seen(told(steadily(20)), [one, other]).accounts == {"pool": Account(sent=400)}
    assert seen(told(steadily(20)), [one, one, other]).accounts == {"pool": Account(sent=400)}


def test_what_the_address_had_before_the_pod_was_there_is_not_its() -> None:
    """Born after scrape 0: by then another pod at its address had had 700."""
    inherited = by_gateway([700.0, *[700.0 + count for count in steadily(20)]], first=-0.6)
    anew = by_gateway([700.0, 700.0, *steadily(20, 19)], first=-0.6)

    assert seen(told(steadily(20)), [inherited]).accounts["pool"].lost == 0
    assert seen(told(steadily(20)), [anew]).accounts["pool"].lost == 0


@pytest.mark.parametrize(
    ("sent", "why"),
    [(None, NOT_ASKED), ([], NO_SAMPLES), ([by_gateway(steadily(20, 4))], NO_SAMPLES)],
    ids=["not configured", "no samples", "stale"],
)
def test_what_is_not_known_is_said_and_keeps_nothing_back(sent: list[Series] | None, why: str) -> None:
    evidence = seen(told(steadily(20)), sent)

    assert evidence.accounts["pool"].unknown == why
    assert errors(evidence).verdict == "Passed"


def test_a_pool_is_not_known_as_soon_as_one_of_its_pods_is_not() -> None:
    asked = question(births={"c1": at(0.2), "c2": at(0.2)}, routed=True)
    evidence = seen(told(steadily(20)) + told(steadily(20), pod="c2"), [by_gateway(steadily(21))], asked)

    assert evidence.accounts == {"pool": Account(sent=420, lost=20, unknown=NO_SAMPLES)}


def test_a_server_that_keeps_no_account_is_not_suspected() -> None:
    """Another server than ours, that has the two counters of the contract and nothing else."""
    evidence = seen(pair(steadily(20), [0.0] * 20), [by_gateway(steadily(90))])

    assert evidence.accounts == {"pool": Account()}
    assert errors(evidence).verdict == "Passed"


def test_checks_of_which_no_lost_request_is_one_are_as_before() -> None:
    plans = (ERRORS, CheckPlan("feedback", 0.03), CheckPlan("replay-audit", 0.03))
    asked = question(*plans, births={"c1": at(0.2)}, routed=True)
    found = told(steadily(20)) + pair(steadily(20), [0.0] * 20, check="feedback") + audit(steadily(20), [0.0] * 20)
    looks = seen(found, [by_gateway(steadily(40))], asked).looks

    verdicts = {name: look.verdict.value for (_, name), look in looks.items()}
    assert verdicts == {"errors": "Inconclusive", "feedback": "Passed", "replay-audit": "Passed"}


def test_of_two_arms_of_the_same_pods_neither_is_accounted_for() -> None:
    """The gateway's counter does not tell one route table's requests from the other's."""
    arm = replace(ASKED.arms[0], route="beef", stable_route="cafe", stable_revision="new")
    found = told(steadily(20)) + pair(steadily(20), [0.0] * 20, route_hash="beef")
    evidence = seen(found, [by_gateway(steadily(4000))], replace(ASKED, arms=(arm,)))

    assert evidence.accounts == {}
    assert errors(evidence).verdict == "Passed"


STEPS = st.lists(st.one_of(st.integers(0, 30), st.just(-1)), min_size=1, max_size=20)
"""What a counter gains from scrape to scrape; -1 is a process that starts anew."""


def counted(steps: list[int]) -> list[float]:
    values, last = [], 0
    for step in steps:
        last = 0 if step < 0 else last + step
        values.append(float(last))
    return values


@given(STEPS, STEPS, st.lists(st.integers(0, 20), max_size=3))
@settings(max_examples=examples(100), deadline=None)
def test_thinned_out_and_folded_or_not_the_account_is_the_same(
    pods: list[int], gateways: list[int], horizons: list[int]
) -> None:
    found, whole = told(counted(pods)), by_gateway(counted(gateways))
    sent, folded = whole, samples(found)
    for horizon in sorted(horizon for horizon in horizons if horizon < len(pods)):
        sent = thinned(sent, round(at(horizon).timestamp() * 1000))
        folded = fold(ASKED, folded, round(at(horizon).timestamp() * 1000))

    asked = evaluate(ASKED, replace(folded, sent=(sent,)), at(len(pods)))
    assert asked == seen(found, [whole], now=len(pods))


def test_thinning_leaves_a_few_samples_of_a_rise() -> None:
    rise = by_gateway(steadily(20, 100))

    assert np.asarray(thinned(rise, round(at(90).timestamp() * 1000)).values).tolist() == [
        20.0,
        *(20.0 * count for count in range(90, 101)),
    ]


def test_without_an_answer_nothing_is_known() -> None:
    assert evaluate(ASKED, SampleSet(unavailable="SourceTimeout"), at(1)).accounts == {}
