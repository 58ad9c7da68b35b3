"""The check ``calibration`` in a look: from four counters of each pod to a verdict (R12, R13, R15)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampler_rollouts.domain.evidence.evaluate import count_tests, evaluate
from sampler_rollouts.domain.evidence.fold import fold
from sampler_rollouts.domain.evidence.look import CheckLook, Evidence
from sampler_rollouts.domain.evidence.samples import Question, SampleSet, Series

from tests.support.examples import examples
from tests.unit.operator.evidence.build import AUDIT, CALIBRATION, ERRORS, NAN, at, draws, pair, question, samples

TOKENS = 8000
"""A scrape: what an audit of many rows counts."""
ENTROPY, VARIANCE = 1.5, 1.2


def pod(biases: list[float], name: str = "c1", tokens: int = TOKENS, **where: str) -> list[Series]:
    """So many tokens a scrape with these biases, nats a token."""
    count = [tokens * (i + 1) for i in range(len(biases))]
    surprisal = [tokens * (ENTROPY * (i + 1) + sum(biases[: i + 1])) for i in range(len(biases))]
    return draws(count, surprisal, [ENTROPY * n for n in count], [VARIANCE * n for n in count], pod=name, **where)


def see(*found: list[Series], now: float = 4, asked: Question | None = None) -> CheckLook:
    return look(evaluate(asked or question(CALIBRATION, births=["c1"]), samples(*found), at(now)))


def look(evidence: Evidence) -> CheckLook:
    return evidence.looks["pool", "calibration"]


def said(found: CheckLook) -> tuple[str, str]:
    return found.verdict.value, found.reason


def test_an_honest_sampler_passes() -> None:
    found = see(pod([0.004, -0.006, 0.001, 0.002]))
    assert said(found) == ("Passed", "")
    assert (found.checked, found.bad, found.max_bias) == (4 * TOKENS, 0, 0.05)
    assert found.bias == pytest.approx(0.00025, abs=1e-6)
    assert abs(found.bias) < found.upper_bound < 0.05
    assert math.isnan(found.max_rate)


@pytest.mark.parametrize("bias", [0.2, -0.2])
def test_a_bias_to_either_side_fails(bias: float) -> None:
    found = see(pod([bias] * 4))
    assert said(found) == ("Failed", "")
    assert found.bias == pytest.approx(bias, abs=1e-6)
    assert found.log_e >= found.log_threshold == pytest.approx(math.log(4 / 0.005))


def test_a_bias_of_the_margin_neither_passes_nor_fails() -> None:
    assert said(see(pod([0.05] * 4))) == ("Inconclusive", "TooFewTokens")


def test_few_tokens_say_nothing() -> None:
    assert said(see(pod([0.0] * 4, tokens=50))) == ("Inconclusive", "TooFewTokens")


def test_greedy_or_seeded_traffic_alone_never_passes_and_the_look_says_why() -> None:
    found = see(draws([0] * 4, [0] * 4, [0] * 4, [0] * 4))
    assert said(found) == ("Inconclusive", "TooFewTokens")
    assert "no audited token was drawn at random" in found.detail


def test_one_pod_interval_decides_nothing() -> None:
    assert said(see(pod([0.0, 3.0, 0.0, 0.0]))) == ("Inconclusive", "UnconfirmedBurst")
    assert said(see(pod([0.0, 3.0, 3.0, 0.0]))) == ("Failed", "")


def test_both_pods_and_all_modes_count() -> None:
    asked = question(CALIBRATION)
    found = see(pod([0.1, 0.1], mode="full"), pod([0.1, 0.1], mode="truncated"), pod([0.0, 0.0], "c2"), asked=asked)
    assert found.checked == 6 * TOKENS
    assert found.bias == pytest.approx(0.4 / 6, abs=1e-6)


def test_it_is_a_test_that_shares_alpha() -> None:
    assert count_tests([ERRORS, AUDIT, CALIBRATION], ["a", "b"]) == 4


def test_stable_s_draws_are_not_read() -> None:
    asked = question(CALIBRATION, births=["c1"], compared=True)
    assert see(pod([0.3] * 4, "s1", revision="old"), pod([0.0] * 4), asked=asked).checked == 4 * TOKENS


def test_a_pod_that_is_older_counts_from_its_first_sample() -> None:
    asked = question(CALIBRATION, births={"c1": at(-100)})
    assert see(pod([0.0] * 4), asked=asked).checked == 3 * TOKENS


@pytest.mark.parametrize(("now", "reason"), [(3, ""), (12, "StaleData")], ids=["fresh", "stale"])
def test_stale_data_do_not_pass(now: float, reason: str) -> None:
    assert see(pod([0.0] * 4), now=now).reason == reason


def test_stale_data_still_fail() -> None:
    assert said(see(pod([0.2] * 4), now=100)) == ("Failed", "")


def test_without_its_counters_there_are_no_data() -> None:
    assert said(see(pair([9] * 4, [0] * 4))) == ("Inconclusive", "NoData")


def test_without_one_of_the_four_nothing_is_believed() -> None:
    assert said(see(pod([0.0] * 4)[:3])) == ("Inconclusive", "InvalidData")


def test_an_unavailable_source_says_so() -> None:
    found = look(evaluate(question(CALIBRATION), SampleSet(unavailable="SourceTimeout"), at(1)))
    assert said(found) == ("Inconclusive", "SourceTimeout")
    assert found.max_bias == 0.05


def edited(found: list[Series], counter: int, place: int, value: float) -> list[Series]:
    values = list(found[counter].values)
    values[place] = value
    return [replace(one, values=tuple(values)) if i == counter else one for i, one in enumerate(found)]


@pytest.mark.parametrize("counter", [0, 1, 2, 3])
@pytest.mark.parametrize("value", [NAN, math.inf, -1.0])
def test_nonsense_is_no_sample_and_the_next_closes_the_interval(counter: int, value: float) -> None:
    found = see(edited(pod([0.0] * 4), counter, 1, value))
    assert found.checked == 4 * TOKENS
    assert said(found) == ("Passed", "")
    assert sum(found.dropped.values()) >= 1


def test_sums_that_cannot_be_are_dropped_and_keep_it_from_passing() -> None:
    """13 nats a token are impossible; the other sums of that scrape may be as wrong."""
    impossible = edited(pod([0.0] * 4), 1, 3, 13.0 * TOKENS * 4)
    found = see(impossible)
    assert found.dropped["SumAbovePossible"] == 1
    assert found.checked == 3 * TOKENS
    assert said(found) == ("Inconclusive", "TooFewTokens")


def test_a_sum_that_falls_alone_is_dropped() -> None:
    found = see(edited(pod([0.0] * 4), 3, 2, 1.0))
    assert found.dropped["SumFell"] == 1
    assert said(found) != ("Passed", "")


def test_a_restart_counts_from_zero() -> None:
    before = pod([0.2] * 3)
    restarted = [
        replace(one, times=(*one.times, *(time + 6.0 for time in one.times)), values=(*one.values, *other.values))
        for one, other in zip(before, pod([0.2] * 3), strict=True)
    ]
    found = see(restarted, now=7)
    assert found.checked == 6 * TOKENS
    assert said(found) == ("Failed", "")
    assert found.dropped["Restart"] == 1


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 11), min_size=1, max_size=3))
@settings(max_examples=examples(40), deadline=None)
def test_recomputed_from_folded_samples_it_is_the_same_to_the_last_bit(seed: int, cuts: list[int]) -> None:
    random = np.random.default_rng(seed)
    biases = [float(one) for one in random.normal(0.05, 0.05, 12)]
    whole = samples(pod(biases), pair([5] * 12, [0] * 12))
    asked = question(CALIBRATION, births=["c1"])
    done = whole
    for cut in sorted(set(cuts)):
        done = fold(asked, done, round(at(cut).timestamp() * 1000))
    assert done.folded
    assert look(evaluate(asked, done, at(12))) == look(evaluate(asked, whole, at(12)))


@given(st.integers(0, 2**32 - 1), st.lists(st.booleans(), min_size=11, max_size=11))
@settings(max_examples=examples(40), deadline=None)
def test_a_missed_scrape_changes_no_sum(seed: int, missed: list[bool]) -> None:
    random = np.random.default_rng(seed)
    biases = [float(one) for one in random.normal(0.0, 0.1, 12)]
    kept = [*(not one for one in missed), True]
    holes = [
        replace(
            one,
            times=tuple(time for time, keep in zip(one.times, kept, strict=True) if keep),
            values=tuple(value for value, keep in zip(one.values, kept, strict=True) if keep),
        )
        for one in pod(biases)
    ]
    full, holed = see(pod(biases), now=12), see(holes, now=12)
    assert (full.bias, full.upper_bound, full.checked) == (holed.bias, holed.upper_bound, holed.checked)


def test_a_sum_that_appears_later_than_its_twins_is_no_bias() -> None:
    """Of each label set all four are read at the same scrape: here one that appears late, and one of its sums later."""
    late = [replace(one, times=one.times[1:], values=one.values[1:]) for one in pod([0.0] * 4, mode="truncated")]
    late[2] = replace(late[2], times=late[2].times[1:], values=late[2].values[1:])
    found = see(pod([0.0] * 4), late)
    assert found.checked == 8 * TOKENS
    assert found.bias == pytest.approx(0.0, abs=1e-6)


def test_what_lacks_a_twin_is_not_folded() -> None:
    """Its samples of before count once the twin is there."""
    whole = pod([0.0] * 6)
    whole[2] = replace(whole[2], times=whole[2].times[3:], values=whole[2].values[3:])
    early = [replace(one, times=one.times[:3], values=one.values[:3]) for one in whole if one is not whole[2]]
    asked = question(CALIBRATION, births=["c1"])
    assert not fold(asked, samples(early), round(at(3).timestamp() * 1000)).folded
    done = fold(asked, samples(whole), round(at(5).timestamp() * 1000))
    assert done.folded
    assert look(evaluate(asked, done, at(6))) == look(evaluate(asked, samples(whole), at(6)))
