"""Latency checks: a histogram's count and one bucket, read as a pair under the same rules as any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from quality_contract.latency import TIME_TO_FIRST_TOKEN
from sampler_rollouts.domain.evidence.evaluate import count_tests, evaluate
from sampler_rollouts.domain.evidence.fold import fold
from sampler_rollouts.domain.evidence.intervals import Increments
from sampler_rollouts.domain.evidence.reading import Reader, window_of
from sampler_rollouts.domain.evidence.samples import CheckPlan, Question, Series

from tests.unit.operator.evidence.build import (
    AUDIT,
    ERRORS,
    LATENCY,
    NAN,
    at,
    histogram,
    pair,
    question,
    samples,
    summary,
)

OLD = question(LATENCY, births={"c1": at(-100)})


def read(*found: Sequence[Series], asked: Question | None = None, now: float = 20) -> Increments:
    asked = asked or question(LATENCY)
    given = samples(*found)
    return Reader(given, window_of(asked, given, at(now))).check(asked.arms[0], asked.checks[0])["c1"]


def gained(one: Increments) -> list[tuple[int, int]]:
    return list(zip(one.checked.tolist(), one.bad.tolist(), strict=True))


def test_bad_are_the_requests_above_the_bound() -> None:
    assert gained(read(histogram([5, 9, 12], [5, 7, 10]))) == [(5, 0), (4, 2), (3, 0)]


def test_an_older_pod_counts_from_its_first_scrape() -> None:
    assert gained(read(histogram([50, 59], [30, 37]), asked=OLD)) == [(9, 2)]


def test_a_bucket_that_is_stored_late_was_not_at_zero_until_then() -> None:
    """As a label set that appears late would have been: 40 slow requests of long ago would look like new ones."""
    one = read(histogram([50, 60, 64], [None, 20, 23]), asked=OLD)
    assert (gained(one), one.doubtful) == ([(4, 1)], 0)


def test_a_restart_counts_from_zero() -> None:
    one = read(histogram([50, 60, 4, 9], [50, 58, 3, 8]))
    assert gained(one) == [(50, 0), (10, 2), (4, 1), (5, 0)]
    assert one.drops == {"Restart": 1}


@pytest.mark.parametrize(
    ("count", "within", "reason"),
    [
        ([10, 20, 30], [10, 21, 30], "BucketAboveCount"),
        ([10, 20, 30], [10, NAN, 30], "NotANumber"),
        ([10, None, 30], [10, 20, 30], "Unpaired"),
    ],
)
def test_a_scrape_that_no_histogram_shows_is_bridged(
    count: list[float | None], within: list[float | None], reason: str
) -> None:
    one = read(histogram(count, within))
    assert gained(one) == [(10, 0), (20, 0)]
    assert one.drops[reason] == 1


@pytest.mark.parametrize(
    ("within", "reason", "doubtful"), [([10, 4, 14], "BadAboveChecked", 16), ([4, 15, 25], "BadFell", 10)]
)
def test_a_bucket_that_moves_alone_is_dropped_and_doubted(within: list[float], reason: str, doubtful: int) -> None:
    one = read(histogram([10, 20, 30], within))
    assert gained(one)[1:] == [(10, 0)]
    assert (one.drops[reason], one.doubtful) == (1, doubtful)


def test_other_requests_bounds_histograms_and_pods_are_not_read() -> None:
    others = [
        *histogram([900, 990], [0, 0], checked="false"),
        histogram([900, 990], [900, 900], le="5.0")[1],
        *histogram([900, 990], [0, 0], name=TIME_TO_FIRST_TOKEN),
        *histogram([900, 990], [0, 0], pod="x1"),
    ]
    assert gained(read(histogram([5, 9], [5, 7]), others)) == [(5, 0), (4, 2)]


def test_each_check_reads_its_own_histogram() -> None:
    asked = question(CheckPlan("time-to-first-token", 0.03, slower_than=2.5))
    assert gained(read(histogram([5, 9], [0, 0]), asked=asked)) == []
    assert gained(read(histogram([5, 9], [4, 8], name=TIME_TO_FIRST_TOKEN), asked=asked)) == [(5, 1), (4, 0)]


def test_a_count_without_its_bucket_shows_nothing() -> None:
    """A server that does not count by this bound: named, and neither passed nor failed."""
    asked = question(LATENCY, births=["c1"])
    look = evaluate(asked, samples(histogram([200, 200], [0, 0])[:1]), at(3)).looks["pool", "latency"]
    assert summary(look) == ("Inconclusive", "InvalidData", 0, 0)
    nothing = evaluate(asked, samples(pair([200, 200], [0, 0])), at(3)).looks["pool", "latency"]
    assert summary(nothing) == ("Inconclusive", "NoData", 0, 0)


def test_a_slow_build_fails_and_a_quick_one_passes() -> None:
    asked = question(LATENCY, births=["c1"])
    slow = evaluate(asked, samples(histogram([20, 40, 60], [8, 16, 24])), at(4)).looks["pool", "latency"]
    assert summary(slow) == ("Failed", "", 60, 36)
    assert slow.slower_than == 2.5
    quick = evaluate(asked, samples(histogram([60, 110], [60, 110])), at(3)).looks["pool", "latency"]
    assert summary(quick) == ("Passed", "", 110, 0)


def test_slow_in_both_releases_is_nobody_s_fault() -> None:
    """R12: the limit counts only for a candidate that is worse than stable."""
    asked = question(LATENCY, births=["c1"], compared=True)
    both = [histogram(list(range(20, 620, 20)), list(range(8, 248, 8)), **where) for where in ({}, STABLE)]
    served = pair(list(range(20, 620, 20)), [0] * 30, **STABLE)
    look = evaluate(asked, samples(*both, served), at(31)).looks["pool", "latency"]
    assert summary(look)[:2] == ("Inconclusive", "SharedDegradation")
    alone = evaluate(question(LATENCY, births=["c1"]), samples(both[0]), at(31)).looks["pool", "latency"]
    assert alone.verdict.value == "Failed"


STABLE = {"pod": "s1", "revision": "old"}


def test_slower_than_stable_by_more_than_the_ratio_fails() -> None:
    asked = question(replace(LATENCY, max_rate=NAN, max_ratio=1.5), births=["c1"], compared=True)
    counts = list(range(20, 1220, 20))
    quick = [count * 9 // 10 for count in counts]
    slow = [count * 6 // 10 for count in counts]
    stable = pair(counts, [0] * len(counts), **STABLE) + histogram(counts, quick, **STABLE)
    assert (
        evaluate(asked, samples(histogram(counts, slow), stable), at(60)).looks["pool", "latency"].verdict == "Failed"
    )
    honest = evaluate(asked, samples(histogram(counts, quick), stable), at(60)).looks["pool", "latency"]
    assert honest.verdict != "Failed"
    assert honest.stable_bad > 0


def test_it_spends_a_test_of_alpha() -> None:
    assert count_tests([ERRORS, LATENCY, AUDIT], ["a", "b"]) == 4


def test_it_is_folded_where_all_its_counters_have_a_sample() -> None:
    def cut(count: list[float | None], within: list[float | None]) -> int | None:
        found = pair([1, 2, 3, 4, 5], [0] * 5) + histogram(count, within)
        done = fold(question(LATENCY, births=["c1"]), samples(found), round(at(5).timestamp() * 1000))
        place = done.folded.get(("pool", "new", "c1", "latency"))
        return None if place is None else round((place.until / 1000 - at(0).timestamp()) / 2.0)

    assert cut([1, 2, 3, 4, 5], [0, 0, 0, 0, 0]) == 5
    assert cut([1, 2, 3, 4, 5], [0, 0, 0, 0, 6]) == 4, "no believable pair at the last scrape"
    assert cut([1, 2, 3, 4, 5], [0, 0, 0, 0, None]) == 4
    assert cut([1, 2, 3, 4, 5], [None] * 5) is None
