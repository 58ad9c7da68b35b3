"""EvidenceFeasible of a release that bakes (R16): what its checks would show in the bake time at the traffic there is.

A bake ends well unless a check fails in it; none need pass. So what is asked is whether a build that has become bad in
twice what a check allows would be found before the bake is over: what would not be found is not ruled out by it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quality_contract import CHECK_REPLAY_AUDIT

from sampler_rollouts.domain.decision import feasible_bake_words as words
from sampler_rollouts.domain.decision.feasible import MEASURING, TOO_FEW, slowest, stands
from sampler_rollouts.domain.decision.feasible_words import blind as blind_words
from sampler_rollouts.domain.decision.needs import (
    Speed,
    answered,
    counted_by,
    probes_a_second,
    sound,
    speed_since,
    variance_of,
)
from sampler_rollouts.domain.decision.quality import check_plan
from sampler_rollouts.domain.decision.question import tested_alone
from sampler_rollouts.domain.decision.verdicts import checks_of
from sampler_rollouts.domain.evidence.feasibility import Assured, to_fail, to_fail_biased
from sampler_rollouts.domain.evidence.samples import CheckPlan, is_calibration
from sampler_rollouts.domain.evidence.shiryaev import intervals_in, log_threshold
from sampler_rollouts.domain.plan import Forecast
from sampler_rollouts.domain.quantities import ratio
from sampler_rollouts.domain.status import Stage

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.plan import Bake, QualityPlan

CAN_SHOW: Final = "CanShow"
TIMES: Final = 2.0
"""The change that is asked about, as a multiple of what a check allows."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How sure a bake's verdicts are to be: its tests, alpha and the design effect."""

    tests: int
    alpha: float
    design_effect: float

    def in_time(self, seconds: float) -> Assured:
        """Of a bake of so many seconds: the longer it is, the more it takes to fail."""
        return Assured(log_threshold(self.tests, intervals_in(seconds), self.alpha), 0.95, self.design_effect)

    def fixed(self) -> float:
        """Of a test that is none for a change: calibration's."""
        return math.log(self.tests / self.alpha)


@dataclass(frozen=True, slots=True)
class Alone:
    """A check of a release that serves alone, in one pool.

    ``counted``: how many of what it counts a request gives, NaN if not known; ``variance`` of calibration's draws.
    """

    pool: str
    plan: CheckPlan
    speed: Speed | None
    counted: float
    variance: float
    terms: Terms

    @property
    def bad(self) -> float:
        """The change that is asked about: a rate, or nats."""
        limit = self.plan.max_bias if is_calibration(self.plan) else self.plan.max_rate
        return TIMES * limit if is_calibration(self.plan) else min(TIMES * limit, (1 + limit) / 2)

    def requests(self, seconds: float, bad: float | None = None) -> float:
        """Requests until a build that is so bad fails in a bake of so many seconds; NaN if not known."""
        bad = self.bad if bad is None else bad
        if is_calibration(self.plan):
            needed = to_fail_biased(self.plan.max_bias, bad, self.variance, self.terms.fixed())
        elif self.plan.name == CHECK_REPLAY_AUDIT:
            needed = 2 / bad  # a mismatch, and one that confirms it
        else:
            needed = to_fail(self.plan.max_rate, bad, self.terms.in_time(seconds))
        return needed / self.counted

    def takes(self, seconds: float, rate: float | None = None) -> float:
        """Seconds for them, at the traffic that is seen or at another."""
        seen = (self.speed.seen if self.speed else 0.0) if rate is None else rate
        return self.requests(seconds) / seen if seen > 0 else math.inf


def note_bake_forecast(turn: Turn) -> None:
    """Say what the bake's checks can show, or let stand what was said."""
    bake, plan = turn.status.bake, tested_alone(turn.status)
    if bake is None or plan is None or turn.evidence is None or not turn.evidence.available:
        return
    try:
        found = _found(turn, bake, plan)
    except ValueError:  # a plan that cannot be read: nothing is asked, and nothing can be said
        return
    if found is not None and not stands(bake.forecast, found):
        bake.forecast = found


def _found(turn: Turn, bake: Bake, plan: QualityPlan) -> Forecast | None:
    """What can be said now; None for what was said before."""
    every = list(_every(turn, plan))
    known = [one for one in every if one.speed is not None and not math.isnan(one.requests(bake.seconds))]
    if not every:
        return Forecast(feasible="Unknown", reason="NothingUnderTest", message=words.nothing(plan))
    blind = next((one for one in every if one.plan.problem), None)
    if blind is not None:
        return _named("False", blind.plan.unreadable, blind, bake, blind_words(blind.pool, blind.plan))
    if known:
        longest = slowest(known, bake.forecast, lambda one: one.takes(bake.seconds))
        if any(one.takes(bake.seconds, one.speed.high if one.speed else 0.0) > bake.seconds for one in known):
            return _named("False", TOO_FEW, longest, bake, words.too_few(longest, bake, plan))
        in_time = all(one.takes(bake.seconds, one.speed.low if one.speed else 0.0) <= bake.seconds for one in known)
        if len(known) == len(every) and in_time:
            return _named("True", CAN_SHOW, longest, bake, words.can_show(longest, bake, plan))
    if bake.forecast is not None and bake.forecast.reason in (CAN_SHOW, TOO_FEW):
        return None
    return Forecast(feasible="Unknown", reason=MEASURING, message=words.measuring(every, known))


def _every(turn: Turn, plan: QualityPlan) -> Iterator[Alone]:
    """Every check that is tested, in every pool. Raises ValueError if the plan cannot be read."""
    stable, rollout = turn.status.stable, turn.status.rollout
    if stable is None or turn.status.stage is not Stage.SERVING:
        return
    terms = _terms(plan)
    plans = {check.name: sound(check_plan(check)) for check in plan.checks}
    since = rollout.started_at if rollout else stable.since
    for pool in stable.names():
        speed = speed_since(turn, pool, since, terms.design_effect)
        speed = speed.with_probes(probes_a_second(plan, targets=len(stable.names()))) if speed else None
        seen = answered(turn, plan, pool)
        for name in checks_of(plan, pool):
            look = turn.evidence.looks.get((pool, name)) if turn.evidence else None
            if not (math.isnan(plans[name].max_rate) and math.isnan(plans[name].max_bias)):
                counted = counted_by(plans[name], look, seen)
                yield Alone(pool, plans[name], speed, counted, variance_of(look), terms)


def _terms(plan: QualityPlan) -> Terms:
    alpha, effect = ratio(plan.false_rollback_rate) / 2, float(plan.design_effect)
    if not (0 < alpha < 1 and 1 <= effect < math.inf):
        raise ValueError("not a plan that a spec could have given")
    return Terms(max(1, plan.tests), alpha, effect)


def _named(feasible: str, reason: str, one: Alone, bake: Bake, message: str) -> Forecast:
    return Forecast.model_validate(
        {
            "feasible": feasible,
            "reason": reason,
            "message": message,
            "pool": one.pool,
            "check": one.plan.name,
            "rate": f"{one.speed.seen:.4g}" if one.speed else "",
            "needed": f"{one.requests(bake.seconds):.4g}",
        }
    )
