"""How many requests a verdict needs, and when a candidate will have had them (R16). Pure arithmetic on the real tests.

Needed numbers are of expected counts: a build that is bad in exactly so many of its requests. By the middle of many
rollouts a check has decided by then; one in ten needs two to three times as many (docs/evidence.md, Measured).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from sampler_rollouts.domain.evidence.bound import log_evidence_below
from sampler_rollouts.domain.evidence.calibration import Draws, log_e_biased, log_e_unbiased
from sampler_rollouts.domain.evidence.eprocess import log_e_value
from sampler_rollouts.domain.evidence.judge import IGNORED_SHARE, RATIO_SHARE
from sampler_rollouts.domain.evidence.ratio import contributions, log_e_below_margin
from sampler_rollouts.domain.evidence.samples import CheckPlan, is_calibration, is_scored

MOST: Final = 1e12
"""Requests beyond which nobody need count."""
_CLOSE: Final = 1e-3
MAX_BIAS: Final = "maxBiasNats"
MAX_DROP: Final = "maxDrop"


@dataclass(frozen=True, slots=True)
class Assured:
    """How sure verdicts are to be: ln(tests / alpha), the confidence of ``Passed``, the design effect."""

    log_threshold: float
    pass_confidence: float
    design_effect: float


@dataclass(frozen=True, slots=True)
class Need:
    """Checked requests that ``Passed`` takes a good candidate, and which limit of the check asks for the most.

    Of the audit's checks they are tokens. ``requests`` is infinite where nothing passes, and NaN where it depends on
    something that is not known yet.
    """

    requests: float
    field: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some seconds in which the candidate gets this share of a pool's requests."""

    share: float
    seconds: float


def to_pass(
    plan: CheckPlan,
    sure: Assured,
    *,
    compared: bool,
    stable_rate: float = math.nan,
    share: float = 0.5,
    variance: float = math.nan,
) -> Need:
    """Requests until a check passes: one without a bad request, or, measured by stable's rate, one as good as stable.

    ``compared``: whether stable serves beside the candidate, which has this ``share`` of both arms' requests.
    ``variance`` is of calibration's draws, in squared nats.
    """
    error, effect = 1.0 - sure.pass_confidence, sure.design_effect
    if is_calibration(plan):
        return Need(_unbiased(plan.max_bias, error, variance), MAX_BIAS)
    if is_scored(plan):
        return Need(math.nan if compared else math.inf, MAX_DROP)
    parts = []
    if not math.isnan(plan.max_rate):
        parts.append(Need(_clean(plan.max_rate, error, effect), "maxRate"))
    if not math.isnan(plan.max_ratio) and (compared or not parts):  # the limit alone decides without a stable
        parts.append(_relative(plan, error, effect, compared, stable_rate, share))
    unknown = [one for one in parts if math.isnan(one.requests)]
    return unknown[0] if unknown else max(parts, key=lambda one: one.requests, default=Need(math.inf, "maxRate"))


def _relative(plan: CheckPlan, error: float, effect: float, compared: bool, stable_rate: float, share: float) -> Need:
    """By the shorter of both ways: below ``ignore_below``, or below ``max_ratio``."""
    ignored = _clean(plan.ignore_below, IGNORED_SHARE * error, effect) if plan.ignore_below > 0 else math.inf
    if not compared:
        return Need(ignored, "ignoreBelow" if plan.ignore_below > 0 else "maxRate")
    as_good = _as_good(plan.max_ratio, stable_rate, round(share, 2), RATIO_SHARE * error, effect)
    if math.isnan(as_good):
        return Need(
            ignored if math.isfinite(ignored) else math.nan, "ignoreBelow" if plan.ignore_below > 0 else "maxRatio"
        )
    return Need(ignored, "ignoreBelow") if ignored <= as_good else Need(as_good, "maxRatio")


@functools.lru_cache(maxsize=1024)
def _clean(limit: float, error: float, effect: float) -> float:
    """Requests without a bad one after which a rate of ``limit`` is ruled out."""
    wanted = -math.log(error)
    return _first(lambda count: float(log_evidence_below(limit, count / effect, 0.0)) >= wanted)


@functools.lru_cache(maxsize=1024)
def _unbiased(margin: float, error: float, variance: float) -> float:
    """Draws as surprising as the logits say after which a bias of ``margin`` is ruled out. No design effect applies."""
    if math.isnan(variance):
        return math.nan
    wanted = -math.log(error)

    def shown(count: float) -> bool:
        drawn = Draws(*(np.asarray(part) for part in (count, 0.0, 0.0, count * variance)))
        return log_e_unbiased(drawn, margin) >= wanted

    return _first(shown)


@functools.lru_cache(maxsize=1024)
def _as_good(max_ratio: float, rate: float, share: float, error: float, effect: float) -> float:
    """Requests of a candidate exactly as bad as stable after which a ratio of ``max_ratio`` is ruled out."""
    if math.isnan(rate) or not 0 < share < 1:
        return math.nan
    if rate == 0 or max_ratio <= 1:
        return math.inf  # nothing to measure by; or as good is at the very margin
    wanted, others = -math.log(error), (1 - share) / share

    def shown(count: float) -> bool:
        both = np.array([[count], [rate * count], [others * count], [others * rate * count]])
        return bool(log_e_below_margin(contributions(max_ratio, *both).T / effect)[0] >= wanted)

    return _first(shown)


@functools.lru_cache(maxsize=1024)
def to_fail(limit: float, rate: float, sure: Assured) -> float:
    """Requests of a build bad in ``rate`` of them after which the evidence against "rate <= limit" fails it."""
    if not rate > limit:
        return math.inf
    return _first(
        lambda count: float(log_e_value(count, rate * count, limit, sure.design_effect)) >= sure.log_threshold
    )


@functools.lru_cache(maxsize=1024)
def to_fail_biased(margin: float, bias: float, variance: float, log_threshold: float) -> float:
    """Draws of a sampler with so many nats of bias after which the evidence against "at most ``margin``" fails it."""
    if math.isnan(variance) or not bias > margin:
        return math.nan if math.isnan(variance) else math.inf

    def shown(count: float) -> bool:
        drawn = Draws(*(np.array([part]) for part in (count, bias * count, 0.0, count * variance)))
        return log_e_biased(drawn, margin, leave_one_out=False) >= log_threshold

    return _first(shown)


def _first(holds: Callable[[float], bool]) -> float:
    """The smallest whole number of requests from which on ``holds``; within a thousandth if they are many."""
    high = 1.0
    while not holds(high):
        high *= 2.0
        if high > MOST:
            return math.inf
    low = high / 2.0
    while high - low > max(0.5, _CLOSE * high):
        middle = (low + high) / 2.0
        low, high = (low, middle) if holds(middle) else (middle, high)
    return float(math.ceil(high))


def seconds_until(requests: float, rate: float, ramp: Iterable[Stretch]) -> float:
    """Seconds until the candidate has so many; the last stretch lasts. ``rate``: the pool's requests a second."""
    passed, share = 0.0, 0.0
    for stretch in ramp:
        share = stretch.share
        speed = rate * share
        if speed > 0 and requests <= speed * stretch.seconds:
            return passed + requests / speed
        requests -= speed * stretch.seconds
        passed += stretch.seconds
    if requests <= 0:
        return passed
    return passed + requests / (rate * share) if rate * share > 0 else math.inf


def requests_within(seconds: float, rate: float, ramp: Iterable[Stretch]) -> float:
    """What the candidate has had after so many seconds."""
    total, share = 0.0, 0.0
    for stretch in ramp:
        share = stretch.share
        part = min(seconds, stretch.seconds)
        total, seconds = total + rate * share * part, seconds - part
    return total + rate * share * max(0.0, seconds)


def rate_interval(count: int, seconds: float, design_effect: float) -> tuple[float, float]:
    """Requests a second of which so many were seen: two standard deviations each way, on the scale of square roots."""
    independent = count / design_effect
    low, high = max(0.0, math.sqrt(independent) - 1.0) ** 2, (math.sqrt(independent + 1.0) + 1.0) ** 2
    return low * design_effect / seconds, high * design_effect / seconds
