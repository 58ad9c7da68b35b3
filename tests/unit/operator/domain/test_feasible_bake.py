"""EvidenceFeasible of a bake: whether a build that is bad in twice its limit would be found before it is over."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sampler_rollouts.domain.decision.feasible_bake import Alone, Terms
from sampler_rollouts.domain.decision.feasible_bake_words import can_show, too_few
from sampler_rollouts.domain.decision.needs import Speed
from sampler_rollouts.domain.evidence.intervals import Increments
from sampler_rollouts.domain.evidence.samples import CheckPlan
from sampler_rollouts.domain.evidence.shiryaev import intervals_in, log_e
from sampler_rollouts.domain.loose import Clock
from sampler_rollouts.domain.plan import Bake, CheckSpec, QualityPlan
from sampler_rollouts.domain.quantities import ratio, seconds

from tests.unit.operator.domain.test_feasible import CLEAN, TYPE, UNAUDITED, Counted
from tests.unit.operator.domain.world import image, passing, spec

HOUR = 3600
NOW = datetime(2026, 11, 23, tzinfo=UTC)
PLAN = QualityPlan(
    metrics_source="default",
    false_rollback_rate="1%",
    pass_confidence="95%",
    design_effect="1",
    checks=[CheckSpec(name="errors", max_rate="1%")],
    tests=4,
)


def alone(rate: float, plan: CheckPlan | None = None, variance: float = math.nan, counted: float = 1.0) -> Alone:
    plan = plan or CheckPlan("errors", max_rate=0.01)
    return Alone("cpu-a", plan, Speed(rate, rate, rate), counted, variance, Terms(4, 0.005, 1.0))


def bake(time: float) -> Bake:
    return Bake(release="r", clock=Clock(since=NOW), seconds=int(time))


@pytest.mark.parametrize(("limit", "each"), [(0.01, 60), (0.01, 600), (0.05, 20), (0.001, 3000)])
def test_it_is_what_the_bakes_own_test_takes(limit: float, each: int) -> None:
    """Two pods with as many requests a minute, bad in twice the limit from the beginning: the real procedure's time."""
    one = alone(2 * each / 60, CheckPlan("errors", max_rate=limit))
    wanted = one.terms.in_time(24 * HOUR).log_threshold
    minutes = next(
        count
        for count in range(1, 24 * 60)
        if log_e(_pods(each, 2 * limit, count), limit, 0, intervals_in(24 * HOUR))[0] >= wanted
    )
    assert one.takes(24 * HOUR) == pytest.approx(60 * minutes, rel=0.25)


def _pods(each: int, rate: float, minutes: int) -> list[Increments]:
    ended = np.arange(minutes, dtype=np.int64) * 60_000 + 30_000
    bad = np.diff(np.floor(np.arange(minutes + 1) * each * rate)).astype(np.int64)
    return [Increments(np.full(minutes, each, dtype=np.int64), bad, ended - 1000, ended) for _ in range(2)]


def test_what_it_would_find_is_found_and_what_is_milder_is_not() -> None:
    one, whole = alone(0.05), bake(6 * HOUR)
    said = too_few(one, whole, PLAN)
    (found,) = re.findall(r"What it would find is one that is bad in ([\d.]+%)", said)
    there = 0.05 * 6 * HOUR
    assert one.requests(whole.seconds, ratio(found)) <= there
    assert one.requests(whole.seconds, 0.85 * ratio(found)) > there


def test_a_longer_bake_of_that_length_would_show_it() -> None:
    said = too_few(alone(0.05), bake(6 * HOUR), PLAN)
    (longer,) = re.findall(r"strategy[.]bakeTime of (\w+)", said)
    assert alone(0.05).takes(seconds(longer)) < seconds(longer) < 1.6 * alone(0.05).takes(seconds(longer))


def test_a_limit_that_wide_would_show_it() -> None:
    said = too_few(alone(0.05), bake(6 * HOUR), PLAN)
    (limit,) = re.findall(r"maxRate ([\d.]+%) of this check", said)
    assert alone(0.05, CheckPlan("errors", max_rate=ratio(limit))).takes(6 * HOUR) <= 6 * HOUR


def test_so_much_more_traffic_would_show_it() -> None:
    said = too_few(alone(0.05), bake(6 * HOUR), PLAN)
    (more,) = re.findall(r"([\d.]+) requests a second more", said)
    assert alone(0.05 + float(more)).takes(6 * HOUR) <= 6 * HOUR


def test_without_any_traffic_there_is_still_a_remedy() -> None:
    said = too_few(alone(0.0), bake(6 * HOUR), PLAN)
    assert "of the 0 a second seen there" in said
    assert "requests a second more in this pool, by users or by quality.probes" in said
    assert "bakeTime of" not in said


def test_calibration_is_told_in_nats() -> None:
    one = alone(1.0, CheckPlan("calibration", max_bias=0.05), variance=4.0, counted=20)
    said = can_show(one, bake(24 * HOUR), PLAN)
    assert "biased by 0.1 nats, twice what the check allows" in said
    fewer = alone(0.001, CheckPlan("calibration", max_bias=0.05), variance=4.0, counted=20)
    assert "maxRate" not in too_few(fewer, bake(HOUR), PLAN)


def baking(rate: float, quality: dict[str, Any] | None = None, time: str = "2h", *, first: bool = False) -> Counted:
    """A release bakes, with so many requests a second in each of two pools of ten pods."""
    wanted = spec("a", replicas=10, quality=dict(quality or CLEAN), strategy={"bakeTime": time})
    for one in wanted["pools"]:
        one["sampler"] = UNAUDITED
    found = Counted(wanted)
    found.arrivals.per_second = rate
    found.until("Serving")
    if not first:
        found.judge = passing
        for one in wanted["pools"]:
            one["image"] = image("b")
        found.update(wanted)
        found.tick()
        found.until("Serving")
    return found


@pytest.mark.parametrize("first", [True, False])
def test_it_is_said_of_every_bake(first: bool) -> None:
    begun = baking(5, first=first)
    assert begun.condition(TYPE) == ("Unknown", "Measuring")
    begun.run(120)
    assert begun.condition(TYPE) == ("True", "CanShow")
    said = begun.message(TYPE)
    assert (
        "a build that has become bad in 2%, twice the limit, is found within the bake time of 2h by every check" in said
    )
    assert re.search(r"the slowest, check errors in pool cpu-[ab], needs about \d+ requests", said)


def test_too_little_traffic_is_said_and_stands_in_an_outage() -> None:
    begun = baking(0.05)
    begun.run(600)
    assert begun.condition(TYPE) == ("False", "TooFewRequests")
    said = begun.message(TYPE)
    begun.metrics_up = False
    begun.run(100)
    assert begun.message(TYPE) == said


def test_probes_help_in_a_bake_too() -> None:
    begun = baking(0, {**CLEAN, "probes": {"requestsPerSecond": "6"}})
    begun.run(70)
    assert begun.condition(TYPE) == ("True", "CanShow"), begun.message(TYPE)
    assert "at the 3 a second seen there" in begun.message(TYPE)


def test_after_the_bake_nothing_is_forecast() -> None:
    begun = baking(5, time="5m")
    begun.run(400)
    assert begun.condition("Verified") == ("True", "BakeTimeOver")
    assert begun.condition(TYPE) == ("Unknown", "NothingUnderTest")


@pytest.mark.long
@pytest.mark.parametrize(("rate", "answer"), [(0.25, {"False"}), (0.5, set()), (1.0, {"True"})])
def test_it_does_not_go_to_and_fro(rate: float, answer: set[str]) -> None:
    """Traffic at random, too little, just enough and enough."""
    random = np.random.default_rng(3)
    begun = baking(rate)
    answers, sentences = [], []
    for _ in range(200):
        begun.arrivals.per_second = random.poisson(rate * 5) / 5
        begun.tick()
        answers.append(begun.condition(TYPE)[0])  # type: ignore[index]
        sentences.append(begun.message(TYPE))
    assert set(answers) - {"Unknown"} == answer
    assert sum(one != other for one, other in pairwise(sentences)) <= 6, sorted(set(sentences))


@pytest.mark.parametrize("value", ["0", "nan", "often"])
def test_a_plan_that_cannot_be_read_is_no_reason_to_stop(value: str) -> None:
    begun = baking(5)
    begun.run(120)
    said = begun.message(TYPE)
    begun.raw_status["bake"]["watch"]["designEffect"] = value
    begun.tick()
    assert begun.message(TYPE) == said
