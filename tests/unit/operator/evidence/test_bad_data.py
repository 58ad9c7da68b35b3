"""Every rule of docs/evidence.md about data that cannot be believed as they stand (R13, R14)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quality_contract import AUDIT_MISMATCH, AUDIT_TOKENS, BAD, CHECKED
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.intervals import Increments
from sampler_rollouts.domain.evidence.reading import Reader, window_of
from sampler_rollouts.domain.evidence.samples import Question, Series

from tests.support.examples import examples
from tests.unit.operator.evidence.build import AUDIT, ERRORS, NAN, at, pair, question, samples, series, summary

INF = math.inf


def read(*found: Sequence[Series], asked: Question | None = None, now: float = 20) -> Increments:
    """The increments of the first check of pod c1."""
    asked = asked or question()
    given = samples(*found)
    return Reader(given, window_of(asked, given, at(now))).check(asked.arms[0], asked.checks[0])["c1"]


def gained(one: Increments) -> list[tuple[int, int]]:
    return list(zip(one.checked.tolist(), one.bad.tolist(), strict=True))


def test_a_new_pod_counts_from_zero_also_when_first_seen_late() -> None:
    assert gained(read(pair([5, 9], [1, 1]))) == [(5, 1), (4, 0)]


def test_a_pod_older_than_the_rollout_counts_from_its_first_sample() -> None:
    old = question(births={"c1": at(-100)})
    assert gained(read(pair([50, 59], [1, 2]), asked=old)) == [(9, 1)]
    before_the_start = pair([10, 50, 59], [1, 1, 2], first=-1)
    assert gained(read(before_the_start, asked=old)) == []
    whole_seconds = question(births={"c1": at(-0.5)})
    assert gained(read(pair([50, 59], [1, 2]), asked=whole_seconds)) == [(50, 1), (9, 1)]


def test_intervals_without_requests_are_none() -> None:
    one = read(pair([0, 0, 3, 3], [0, 0, 1, 1]))
    assert gained(one) == [(3, 1)]
    assert one.newest == round(at(4).timestamp() * 1000)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        *((value, "NotANumber") for value in (NAN, INF, -INF)),
        (-1, "Negative"),
        *((value, "NotACount") for value in (6.5, 1e300, 2.0**53 + 2)),
    ],
)
def test_a_sample_that_is_no_count_is_bridged(broken: float, reason: str) -> None:
    for found in (pair([5, broken, 9], [0, 1, 2]), pair([5, 7, 9], [0, broken, 2])):
        one = read(found)
        assert gained(one) == [(5, 0), (4, 2)]
        assert one.drops[reason] == 1


def test_a_gap_is_one_interval() -> None:
    assert gained(read(pair([5, None, None, 9], [0, None, None, 2]))) == [(5, 0), (4, 2)]


def test_the_two_counters_are_paired_by_scrape() -> None:
    one = read(pair([5, 7, 9, 12], [0, None, 2, 2]))
    assert gained(one) == [(5, 0), (4, 2), (3, 0)]
    assert one.drops["Unpaired"] == 1


def test_half_of_the_newest_scrape_is_awaited() -> None:
    one = read(pair([5, 9], [0, None]))
    assert gained(one) == [(5, 0)]
    assert not one.drops


def test_a_counter_without_its_twin_shows_nothing() -> None:
    for lonely in (CHECKED, BAD):
        one = read([series(lonely, [5, 9], check="errors", route_hash="none")])
        assert gained(one) == []
        assert one.newest is None


def test_a_restart_counts_from_zero_and_loses_only_what_was_never_seen() -> None:
    one = read(pair([50, 60, 4, 9], [1, 2, 1, 1]))
    assert gained(one) == [(50, 1), (10, 1), (4, 1), (5, 0)]
    assert one.drops == {"Restart": 1}


def test_a_restart_is_the_pods() -> None:
    """The other label set did not fall, but what it shows was counted by the new process; one is gone for a while."""
    before_and_after = pair([50, 4], [0, 0])
    grown = pair([3, 5], [1, 2], route_hash="abc")
    back_later = pair([3, None, 7], [1, None, 2], route_hash="def")
    one = read(before_and_after, grown, back_later)
    assert sum(one.checked) == 50 + 4 + 3 + 5 + 3 + 7
    assert sum(one.bad) == 1 + 2 + 1 + 2


def test_two_processes_behind_one_port_are_not_believed() -> None:
    one = read(pair([100, 50, 101, 51, 102, 52, 103, 53, 104, 54], [0] * 10))
    assert sum(one.checked) == 100 + 50 + 51 + 51 + 51 + 52 + 51  # until the fourth fall
    assert one.drops["Flapping"] == 3
    look = evaluate(
        question(births=["c1"]), samples(pair([100, 50, 101, 51, 102, 52, 103, 53, 104, 54], [0] * 10)), at(11)
    )
    assert summary(look.looks["pool", "errors"])[:2] == ("Inconclusive", "InvalidData")


def test_more_bad_than_checked_is_dropped_and_doubted() -> None:
    one = read(pair([10, 20, 30], [0, 20, 21]))
    assert gained(one) == [(10, 0), (10, 1)]
    assert (one.drops["BadAboveChecked"], one.doubtful) == (1, 20)


def test_bad_falling_alone_is_dropped_and_doubted() -> None:
    one = read(pair([10, 20, 30], [5, 4, 5]))
    assert gained(one) == [(10, 5), (10, 1)]
    assert (one.drops["BadFell"], one.doubtful) == (1, 10)


def test_doubtful_requests_neither_fail_nor_pass() -> None:
    clean = pair([200, 200], [0, 0], pod="c2")
    undoubted = evaluate(question(), samples(clean, pair([0, 0], [0, 0])), at(3)).looks["pool", "errors"]
    assert summary(undoubted) == ("Passed", "", 200, 0)
    doubted = evaluate(question(), samples(clean, pair([0, 30], [0, 90])), at(3)).looks["pool", "errors"]
    assert summary(doubted) == ("Inconclusive", "InvalidData", 200, 0)
    assert "1 BadAboveChecked" in doubted.detail
    assert doubted.log_e < 0


def test_duplicates_are_one_and_contradictions_none() -> None:
    checked, bad = pair([5, 7, 9], [0, 1, 2])
    twice = replace(checked, times=(*checked.times, checked.times[1]), values=(5, 7, 9, 7))
    assert gained(read([twice, bad])) == [(5, 0), (2, 1), (2, 1)]
    torn = replace(checked, times=(*checked.times, checked.times[1]), values=(5, 7, 9, 8))
    one = read([torn, bad])
    assert gained(one) == [(5, 0), (4, 2)]
    assert one.drops["Contradiction"] == 2


def test_order_of_samples_does_not_matter() -> None:
    checked, bad = pair([5, 7, 9], [0, 1, 2])
    backwards = replace(checked, times=checked.times[::-1], values=checked.values[::-1])
    assert gained(read([backwards, bad])) == [(5, 0), (2, 1), (2, 1)]


def test_copies_of_a_counter_count_once() -> None:
    """Two scrape jobs of one pod: the copy with the newest sample is read, for both counters."""
    found = pair([5, 7, 9], [0, 1, 2])
    other_job = pair([6, 8], [0, 1])
    assert gained(read(found, other_job)) == [(5, 0), (2, 1), (2, 1)]
    assert gained(read(other_job, found)) == [(5, 0), (2, 1), (2, 1)]


def test_label_sets_of_a_pod_are_one_interval() -> None:
    assert gained(read(pair([5, 7], [0, 1]), pair([1, 3], [1, 1], route_hash="abc"))) == [(6, 1), (4, 1)]


def test_a_label_that_appears_late_counts_from_zero() -> None:
    late = pair([None, 6], [None, 1], route_hash="abc")
    assert gained(read(pair([5, 7], [0, 1]), late)) == [(5, 0), (8, 2)]
    old = question(births={"c1": at(-100)})
    assert gained(read(pair([5, 7], [0, 1]), late, asked=old)) == [(8, 2)]


def test_samples_after_now_do_not_exist_yet() -> None:
    assert gained(read(pair([5, 7, 9], [0, 1, 2]), now=2)) == [(5, 0), (2, 1)]


@pytest.mark.parametrize("where", [{"pod": "x9"}, {"revision": "old"}, {"check": "feedback"}])
def test_other_pods_revisions_and_checks_are_not_read(where: dict[str, str]) -> None:
    assert gained(read(pair([500], [500], **where))) == []


def test_tokens_of_the_audit_pair_with_any_mismatch_series_of_the_pod() -> None:
    """A kind that never happened may have no series; the family itself must be there."""
    tokens = [series(AUDIT_TOKENS, [10, 20], batch_bucket=bucket, mode="greedy") for bucket in ("1", "8")]
    mismatches = [series(AUDIT_MISMATCH, [0, 1], batch_bucket="8", mode="greedy", kind="other-token")]
    assert gained(read(tokens, mismatches, asked=question(AUDIT))) == [(20, 0), (20, 1)]
    assert gained(read(tokens, asked=question(AUDIT))) == []


values = st.lists(st.floats() | st.integers(0, 50).map(float), max_size=12)
times = st.lists(st.floats() | st.floats(0, 60).map(lambda x: at(0).timestamp() + x), max_size=12)


@given(st.lists(st.tuples(st.sampled_from([CHECKED, BAD, AUDIT_TOKENS]), times, values), max_size=6))
@settings(deadline=None, max_examples=examples(150))
def test_garbage_never_raises_and_never_counts_below_zero(found: list[tuple[str, list[float], list[float]]]) -> None:
    given = samples(
        [
            Series(metric, "c1", "pool", "new", {"check": "errors"}, tuple(when[:n]), tuple(what[:n]))
            for metric, when, what in found
            for n in [min(len(when), len(what))]
        ]
    )
    evidence = evaluate(question(ERRORS, AUDIT), given, at(10))
    for look in evidence.looks.values():
        assert 0 <= look.bad <= look.checked
        assert 0 < look.upper_bound <= 1
        assert math.isfinite(look.log_e)


steps = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), min_size=1, max_size=25)


@given(steps, st.sets(st.integers(0, 24)))
@settings(deadline=None)
def test_lost_scrapes_change_no_total(increments: list[tuple[int, int]], lost: set[int]) -> None:
    """Whatever scrapes are lost but the last, the sums are the same: counters are cumulative."""
    checked, bad = [0.0], [0.0]
    for more, worse in increments:
        checked.append(checked[-1] + more + worse)
        bad.append(bad[-1] + worse)
    last = len(checked) - 1
    full = read(pair(checked, bad), now=60)
    holes = [[None if i in lost - {last} else v for i, v in enumerate(which)] for which in (checked, bad)]
    torn = read(pair(*holes), now=60)
    assert (sum(torn.checked), sum(torn.bad)) == (sum(full.checked), sum(full.bad)) == (checked[-1], bad[-1])
