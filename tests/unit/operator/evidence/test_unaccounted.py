"""What a gateway sent and no pod accounts for lets nothing pass, and fails nothing (R13)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quality_contract import REQUESTS_NOT_STARTED, REQUESTS_STARTED
from sampler_rollouts.domain.evidence.counters import milliseconds
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.fold import fold
from sampler_rollouts.domain.evidence.look import CheckLook, Evidence
from sampler_rollouts.domain.evidence.samples import CheckPlan, Pod, Question, SampleSet, Sent, Series
from sampler_rollouts.domain.evidence.unaccounted import LASTING, NO_SAMPLES, NOT_ASKED, NOT_COUNTED, Account, thinned

from tests.support.examples import examples
from tests.unit.operator.evidence.build import (
    ERRORS,
    SCRAPE,
    Values,
    at,
    audit,
    pair,
    question,
    samples,
    series,
    summary,
)
from tests.unit.operator.evidence.histories import between

ASKED = question(births={"c1": at(-0.1)}, routed=True)
NOTHING: list[float] = [0.0]


def steadily(each: int, count: int = 20) -> list[float]:
    return [float(each * (place + 1)) for place in range(count)]


def told(started: Values, other: Values = (), *, pod: str = "c1") -> list[Series]:
    """A pod's own account of users' requests, all of them good: from scrape 0 on, at which there was none yet."""
    zeros = [0.0] * (1 + len(started))
    begun, others = [0.0, *started], [0.0, *other] if other else zeros
    found = [series(REQUESTS_STARTED, begun, pod=pod, first=0), series(REQUESTS_NOT_STARTED, others, pod=pod, first=0)]
    return found + pair(begun, zeros, pod=pod, first=0)


def by_gateway(values: Values, *, pod: str = "c1", gateway: str = "edge-1", first: float = 0.4) -> Series:
    """Counted at the gateway, and read at other times than the pod is: 1.2 s before its scrapes."""
    one = series("envoy_cluster_endpoint_rq_total", values, pod=pod, instance=gateway)
    return replace(one, times=tuple(at(first + place).timestamp() for place in range(len(values))))


def sent_to(found: list[Series], sent: list[Series]) -> dict[Pod, Sent]:
    """As the store's reader puts it together: what was counted for the address of each pod."""
    times = {one.pod: one.times for one in found if one.metric == REQUESTS_STARTED}
    stays = {pod: (milliseconds(every[0]), milliseconds(every[-1])) for pod, every in times.items()}
    return {
        ("pool", "new", pod): Sent(*stay, tuple(one for one in sent if one.pod == pod)) for pod, stay in stays.items()
    }


def seen(found: list[Series], sent: list[Series] | None, asked: Question = ASKED, now: float = 20) -> Evidence:
    known = [between(one, at(-1000).timestamp(), at(now).timestamp()) for one in found]
    return evaluate(asked, samples(found, sent=None if sent is None else sent_to(known, sent)), at(now))


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


@pytest.mark.parametrize(
    "values",
    [
        [650.0, 700.0, *[700.0 + count for count in steadily(20)]],
        [700.0, 700.0, *steadily(20)],
        [700.0, 0.0, *steadily(20)],
        [700.0, 700.0, 700.0, *steadily(20, 19)],
    ],
    ids=["goes on", "starts anew", "had started anew", "starts anew later"],
)
def test_what_the_address_had_before_the_pod_was_there_is_not_its(values: list[float]) -> None:
    """By its first sample another pod at its address had had 700, the last while this one waited for a node."""
    evidence = seen(told(steadily(20)), [by_gateway(values, first=-1.6)])

    assert evidence.accounts["pool"].lost == 0
    assert evidence.accounts["pool"].sent in (380, 400)


def test_what_a_pod_was_sent_before_its_first_sample_counts_where_the_counter_has_started_anew() -> None:
    """It had had 30 by then, of which it tells, and the address had been another's before."""
    counts = [30.0, *[30.0 + count for count in steadily(20)]]
    zeros = [0.0] * len(counts)
    found = [
        series(name, values, first=0) for name, values in ((REQUESTS_STARTED, counts), (REQUESTS_NOT_STARTED, zeros))
    ]
    evidence = seen(found + pair(counts, zeros, first=0), [by_gateway([700.0, *counts], first=-1.6)])

    assert evidence.accounts == {"pool": Account(sent=430)}


def test_a_gateway_that_is_read_no_more_before_a_pod_is_read_first_shows_no_loss() -> None:
    found = [
        series(name, [60.0 + value] * 8, first=3)
        for name, value in ((REQUESTS_STARTED, 0), (REQUESTS_NOT_STARTED, -60))
    ]
    evidence = seen([*found, *pair([60.0] * 8, [0.0] * 8, first=3)], [by_gateway([700.0, 30.0, 60.0])], now=10)

    assert evidence.accounts["pool"].lost == 0


def test_a_loss_stays_known_when_the_gateway_forgets_the_address() -> None:
    """A pod that hangs is taken out of its Service, and its counter with it; it is still scraped."""
    found = told([*steadily(20, 10), *[200.0] * 30])
    sent = by_gateway([*steadily(20, 10), *[280.0] * 4])
    asked = replace(ASKED, arms=(replace(ASKED.arms[0], serving=frozenset()),))

    for now in (14, 20, 40):
        evidence = seen(found, [sent], asked, now)
        assert (evidence.accounts["pool"].lost, errors(evidence).reason) == (80, "Unaccounted"), now
    assert evidence.accounts["pool"].unknown == NO_SAMPLES


def test_a_request_is_not_lost_before_it_has_been_missing_for_some_scrapes() -> None:
    """Its body comes slowly: the gateway has counted it, and the server begins when it is whole."""
    found = told([*steadily(20, 10), 230.0, 260.0, *[260.0 + 20 * place for place in range(1, 9)]])
    sent = by_gateway([*steadily(20, 9), 210.0, 240.0, *[260.0 + 20 * place for place in range(9)]])

    assert [seen(found, [sent], now=now).accounts["pool"].lost for now in range(9, 20)] == [0] * 11


def test_a_counter_that_keeps_falling_is_not_believed() -> None:
    """Two processes behind one address, which are read in turn."""
    both = by_gateway([value for place in range(1, 11) for value in (1000.0 + place, float(place))])
    evidence = seen(told(steadily(20)), [both])

    assert evidence.accounts["pool"] == Account(unknown=NO_SAMPLES)


def test_a_dip_is_no_new_start() -> None:
    """A store that mixes two readers' samples of one counter."""
    evidence = seen(told(steadily(20)), [by_gateway([*steadily(20, 12), 238.0, *steadily(20)[13:]])])

    assert evidence.accounts["pool"].lost == 0


def test_gateways_that_could_not_be_read_leave_what_is_known() -> None:
    found, sent = told(steadily(20)), by_gateway([20.0 * place + 16 for place in range(1, 21)])
    known = samples(found, sent=sent_to(found, [sent]), sent_problem="AnswerTooLarge")

    assert evaluate(ASKED, known, at(20)).accounts == {"pool": Account(sent=416, lost=16, unknown="AnswerTooLarge")}


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
    asked = question(births={"c1": at(-0.1), "c2": at(-0.1)}, routed=True)
    evidence = seen(told(steadily(20)) + told(steadily(20), pod="c2"), [by_gateway(steadily(21))], asked)

    # Two of the twenty have not been missing for long.
    assert evidence.accounts == {"pool": Account(sent=420, lost=18, unknown=NO_SAMPLES)}


def test_a_server_that_keeps_no_account_is_not_suspected() -> None:
    """Another server than ours, that has the two counters of the contract and nothing else."""
    evidence = seen(pair(steadily(20), [0.0] * 20), [by_gateway(steadily(90))])

    assert evidence.accounts == {"pool": Account(unknown=NOT_COUNTED)}
    assert errors(evidence).verdict == "Passed"


@pytest.mark.parametrize("lacking", [REQUESTS_STARTED, REQUESTS_NOT_STARTED])
def test_one_of_the_two_counters_is_no_account(lacking: str) -> None:
    found = [one for one in told(steadily(20), steadily(2)) if one.metric != lacking]
    sent = {("pool", "new", "c1"): Sent(milliseconds(at(0).timestamp()), milliseconds(at(20).timestamp()))}
    evidence = evaluate(ASKED, samples(found, sent=sent), at(20))

    assert evidence.accounts == {"pool": Account(unknown=NOT_COUNTED)}
    assert errors(evidence).verdict == "Passed"


def test_pods_that_were_there_before_are_not_accounted_for() -> None:
    """Nobody knows what they had before: a release in its bake."""
    asked = replace(ASKED, since=at(10))

    assert seen(told(steadily(20)), [by_gateway(steadily(4000))], asked).accounts == {}


def test_checks_of_which_no_lost_request_is_one_are_as_before() -> None:
    plans = (ERRORS, CheckPlan("feedback", 0.03), CheckPlan("replay-audit", 0.03))
    asked = question(*plans, births={"c1": at(-0.1)}, routed=True)
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


STEPS = st.lists(st.one_of(st.integers(0, 30), st.just(-1)), min_size=12, max_size=20)
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
    found, whole = told(counted(pods)), by_gateway(counted(gateways), first=-1.6)
    sent, folded = whole, samples(found)
    first, last = milliseconds(at(0).timestamp()), milliseconds(at(len(pods)).timestamp())
    newest = milliseconds(whole.times[-1])
    for horizon in sorted(min(horizon, len(pods) - 8) for horizon in horizons):
        marks = [first, *(newest - back * milliseconds(SCRAPE) for back in range(LASTING))]
        sent = thinned(sent, milliseconds(at(horizon).timestamp()), marks)
        folded = fold(ASKED, folded, milliseconds(at(horizon).timestamp()))

    known = replace(folded, sent={("pool", "new", "c1"): Sent(first, last, (sent,))})
    assert evaluate(ASKED, known, at(len(pods))) == seen(found, [whole], now=len(pods))


def test_a_pod_whose_own_counters_cannot_be_believed_is_not_accounted_for() -> None:
    """They have started anew more often than a process may."""
    falling = [float(place % 2 + 1) for place in range(1, 21)]
    evidence = seen(told(falling), [by_gateway(steadily(20))])

    assert evidence.accounts == {"pool": Account(unknown=NO_SAMPLES)}


def test_thinning_leaves_a_few_samples_of_a_rise() -> None:
    rise = by_gateway(steadily(20, 100))
    horizon, mark = (milliseconds(at(scrape).timestamp()) for scrape in (90, 40))

    kept = np.asarray(thinned(rise, horizon, [mark]).values).tolist()
    assert kept == [20.0, 800.0, *(20.0 * count for count in range(90, 101))]


def test_without_an_answer_nothing_is_known() -> None:
    assert evaluate(ASKED, SampleSet(unavailable="SourceTimeout"), at(1)).accounts == {}
