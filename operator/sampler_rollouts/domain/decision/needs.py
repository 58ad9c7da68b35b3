"""What each check of a rollout still needs, and what a pool's traffic gives: the inputs of the forecast (R16)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quality_contract import CHECK_ERRORS

from sampler_rollouts.domain.decision.context import Turn, begun, counted_since, has_stable, moving, this_wave, untried
from sampler_rollouts.domain.decision.quality import check_plan
from sampler_rollouts.domain.decision.question import watched_since
from sampler_rollouts.domain.decision.replicas import share_at as effective_share
from sampler_rollouts.domain.decision.steps import ahead
from sampler_rollouts.domain.decision.verdicts import required
from sampler_rollouts.domain.evidence.feasibility import Assured, Need, Stretch, rate_interval, to_pass
from sampler_rollouts.domain.evidence.samples import AUDITED, CheckPlan, is_calibration, is_scored
from sampler_rollouts.domain.quantities import ratio, seconds

if TYPE_CHECKING:
    from datetime import datetime

    from sampler_rollouts.domain.evidence.look import CheckLook
    from sampler_rollouts.domain.plan import QualityPlan, Rollout
    from sampler_rollouts.domain.resource import Spec
    from sampler_rollouts.domain.strategy_spec import Step

SEEN_SECONDS: Final = 60.0
SEEN_SCRAPES: Final = 4
"""For so long a pool must have been watched before its traffic is spoken of."""
FEW: Final = 10
"""Bad requests of stable's, or tokens audited, from which on a rate may be reckoned with."""
REQUESTS: Final = 50
"""Answers of the candidate from which on it shows which share of them a check counts."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Requests a second in a pool: as seen, and between which it lies."""

    seen: float
    low: float
    high: float

    def with_probes(self, rate: float) -> Speed:
        """And so many probes, which are sent whatever users do."""
        return Speed(self.seen + rate, self.low + rate, self.high + rate)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One check in one pool that has not passed yet.

    ``need`` is in what the check counts, requests or tokens; ``counted`` how many of those a request gives, NaN if not
    known; ``had`` what the candidate has had already. ``ramp`` is how the rollout goes on from now, ``whole`` from the
    pool's first step. ``speed`` is None before the traffic is known.
    """

    pool: str
    plan: CheckPlan
    need: Need
    counted: float
    had: float
    ramp: tuple[Stretch, ...]
    whole: tuple[Stretch, ...]
    speed: Speed | None

    @property
    def requests(self) -> float:
        """All requests of the candidate that it takes; NaN if not known."""
        return self.need.requests / self.counted

    @property
    def left(self) -> float:
        """Those that are still to come."""
        return max(0.0, self.requests - self.had)


def assured(rollout: Rollout) -> Assured:
    """How sure verdicts are to be. Raises ValueError if the plan cannot be read."""
    quality = rollout.quality
    alpha, confidence = ratio(quality.false_rollback_rate) / 2, ratio(quality.pass_confidence)
    effect = float(quality.design_effect)
    if not (0 < alpha < 1 and 0 < confidence < 1 and 1 <= effect < math.inf):
        raise ValueError("not a plan that a spec could have given")
    return Assured(math.log(max(1, quality.tests) / alpha), confidence, effect)


def sound(plan: CheckPlan) -> CheckPlan:
    """A check as a spec could have given it; ValueError for what a stranger has written into status."""
    limited = math.isnan(plan.max_rate) or 0 < plan.max_rate < 1
    biased = not is_calibration(plan) or 0 < plan.max_bias <= 1
    related = 0 <= plan.ignore_below < 1 and not plan.max_ratio < 1 and plan.max_ratio != math.inf
    if not (limited and biased and related):
        raise ValueError("not a check that a spec could have given")
    return plan


def wanted_of(turn: Turn, rollout: Rollout, spec: Spec) -> Iterator[Wanted]:
    """Every check of every pool that moves and has not passed. Raises ValueError if the plan cannot be read."""
    sure = assured(rollout)
    plans = {check.name: sound(check_plan(check)) for check in rollout.quality.checks}
    for pool in moving(rollout):
        if turn.pool(pool).passed_at is not None:
            continue
        whole, ramp = _ramps(turn, rollout, spec, pool)
        speed = speed_of(turn, rollout, pool, sure.design_effect)
        if speed is not None and whole:
            # Both arms get as many; later steps, whose share is larger, make little of them.
            probes = probes_a_second(rollout.quality, targets=2 * len(moving(rollout)))
            speed = speed.with_probes(probes / whole[-1].share)
        for name in required(rollout, pool):
            if is_scored(plans[name]) and has_stable(turn, pool) and not plans[name].problem:
                continue  # how scores vary is not known
            yield _wanted(turn, rollout, pool, plans[name], sure, (whole, ramp), speed)


def probes_a_second(quality: QualityPlan, targets: int) -> float:
    """What each target gets of the synthetic probes; ValueError if the plan cannot be read."""
    rate = float(quality.probes or "0")
    if not 0 <= rate < math.inf:
        raise ValueError("not a rate that a spec could have given")
    return rate / max(1, targets)


def answered(turn: Turn, quality: QualityPlan, pool: str) -> int:
    """What the release under test has answered of users', and of probes where they count."""
    evidence = turn.evidence
    traffic = evidence.traffic.get(pool) if evidence else None
    look = evidence.looks.get((pool, CHECK_ERRORS)) if evidence and quality.probes else None
    return max(0, traffic.candidate if traffic else 0, look.checked if look else 0)


def _wanted(
    turn: Turn,
    rollout: Rollout,
    pool: str,
    plan: CheckPlan,
    sure: Assured,
    ramps: tuple[tuple[Stretch, ...], tuple[Stretch, ...]],
    speed: Speed | None,
) -> Wanted:
    new = untried(rollout)  # then evidence is about stable alone, and tells no more than how much traffic there is
    look = turn.evidence.looks.get((pool, plan.name)) if turn.evidence and not new else None
    whole, ramp = ramps
    compared = has_stable(turn, pool)
    share = whole[-1].share if whole else 0.5
    known = {"stable_rate": _stable_rate(look), "variance": variance_of(look)}
    need = to_pass(plan, sure, compared=compared, share=share, **known)
    candidate = 0 if new else answered(turn, rollout.quality, pool)
    return Wanted(pool, plan, need, counted_by(plan, look, candidate), candidate, ramp, whole, speed)


def _stable_rate(look: CheckLook | None) -> float:
    """Stable's share of bad requests to two digits; NaN while too few are seen to speak of one."""
    if look is None or look.stable_bad < FEW:
        return math.nan
    return float(f"{look.stable_bad / look.stable_checked:.2g}")


def variance_of(look: CheckLook | None) -> float:
    """How random the audited tokens are, to two digits; NaN while too few are seen to speak of it."""
    if look is None or look.checked < FEW or math.isnan(look.variance):
        return math.nan
    return float(f"{max(0.0, look.variance):.2g}")


def counted_by(plan: CheckPlan, look: CheckLook | None, candidate: int) -> float:
    """How many of what a check counts one answer of the candidate gives, to two digits."""
    audit = plan.name in AUDITED
    if look is None or not (candidate >= REQUESTS or (audit and look.checked >= FEW)):
        return math.nan if audit else 1.0
    return float(f"{max(1, look.checked) / max(1, candidate):.2g}")


def _ramps(turn: Turn, rollout: Rollout, spec: Spec, pool: str) -> tuple[tuple[Stretch, ...], tuple[Stretch, ...]]:
    """The whole of a pool's steps, and what is left of them."""
    whole = tuple(_stretches(turn, pool, spec.strategy.steps))
    if pool not in this_wave(rollout) or not rollout.weight:
        return whole, whole
    ran = rollout.step_clock.elapsed(turn.now) if rollout.step_clock else 0.0
    here = Stretch(share_at(turn, pool, rollout.weight), max(0.0, rollout.min_duration - ran))
    later = _stretches(turn, pool, (step for _, step in ahead(rollout, spec.strategy.steps)))
    return whole, (here, *later)


def _stretches(turn: Turn, pool: str, steps: Iterable[Step]) -> Iterator[Stretch]:
    for step in steps:
        if step.weight:
            yield Stretch(share_at(turn, pool, step.weight), seconds(step.min_duration or "0s"))


def share_at(turn: Turn, pool: str, weight: int) -> float:
    """The candidate's share of a pool's requests at a weight: whole pods, and all of them where there is no stable."""
    if not has_stable(turn, pool):
        return 1.0
    return effective_share(turn, pool, weight)


def speed_of(turn: Turn, rollout: Rollout, pool: str, design_effect: float) -> Speed | None:
    """What has been seen of a pool's traffic since it was first watched; None if that was too short a time."""
    since = watched_since(turn.status) if untried(rollout) else counted_since(rollout)
    if since is None:
        return None
    if not has_stable(turn, pool):
        births = [birth.at for birth in rollout.births_in(pool)]
        if pool not in begun(rollout) or not births:
            return None
        since = max(since, min(births))
    return speed_since(turn, pool, since, design_effect)


def speed_since(turn: Turn, pool: str, since: datetime, design_effect: float) -> Speed | None:
    """A pool's requests a second since its counts began; None while too short a time has been watched."""
    traffic = turn.evidence.traffic.get(pool) if turn.evidence else None
    scrape = turn.evidence.scrape_interval if turn.evidence else 0.0
    # Half a scrape until the first sample, which is the base line, and half of one since the last: not counted.
    watched = (turn.now - since).total_seconds() - scrape
    if traffic is None or watched < max(SEEN_SECONDS, SEEN_SCRAPES * scrape):
        return None
    count = max(0, traffic.candidate) + max(0, traffic.stable)
    return Speed(count / watched, *rate_interval(count, watched, design_effect))
