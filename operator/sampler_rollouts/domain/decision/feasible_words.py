"""The forecast in words: which check, where, what it needs, what was seen, and what would help, with numbers (R16)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from quality_contract import CHECK_REPLAY_AUDIT

from sampler_rollouts.domain.decision.needs import Wanted, assured, share_at
from sampler_rollouts.domain.evidence.bound import upper_bound
from sampler_rollouts.domain.evidence.feasibility import (
    MAX_BIAS,
    MAX_DROP,
    Assured,
    Stretch,
    requests_within,
    seconds_until,
    to_fail,
)
from sampler_rollouts.domain.evidence.judge import IGNORED_SHARE
from sampler_rollouts.domain.limits import clip
from sampler_rollouts.domain.quantities import LONGEST_DURATION, duration_text, ratio_text

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.evidence.samples import CheckPlan
    from sampler_rollouts.domain.plan import QualityPlan, Rollout

SPARE: Final = 1.25
"""A deadline that is proposed leaves a quarter for traffic that thins out."""
WIDEST: Final = 0.5
"""No wider limit is proposed: it would allow anything."""


def all_passed(rollout: Rollout) -> str:
    """Nothing is left to be shown."""
    return clip(f"every check of release {rollout.release} has passed" + untested(rollout.quality))


def can_pass(rollout: Rollout, slowest: Wanted, sure: Assured) -> str:
    """All is well: how long the slowest takes, and what it would take it to see a fault."""
    seen = slowest.speed.seen if slowest.speed else 0.0
    takes = rough(seconds_until(slowest.requests, seen, slowest.whole))
    text = (
        f"every check can pass before the deadline of {duration_text(rollout.deadline)}; the slowest, "
        f"{slowest.plan.name} in pool {slowest.pool}, needs about {about(slowest.requests)} requests of the candidate: "
        f"{takes} from its first step at the {seen:.2g} a second seen there"
    )
    limit = slowest.plan.max_rate
    if slowest.plan.name != CHECK_REPLAY_AUDIT and limit < WIDEST:
        fails = to_fail(limit, 2 * limit, sure) / slowest.counted
        text += f"; a build that is bad in {ratio_text(2 * limit)}, twice its limit, fails after about {about(fails)}"
    return clip(text + untested(rollout.quality))


def too_few(turn: Turn, rollout: Rollout, slowest: Wanted, *, room: float, over: float) -> str:
    """What cannot be shown in time. ``room``: seconds left for this check; ``over``: what the whole rollout takes."""
    seen = slowest.speed.seen if slowest.speed else 0.0
    share = max((stretch.share for stretch in slowest.whole), default=0.0)
    takes = seconds_until(slowest.requests, seen, slowest.whole)
    text = (
        f"check {slowest.plan.name} in pool {slowest.pool} can hardly pass before the deadline of "
        f"{duration_text(rollout.deadline)}: it needs about {about(slowest.requests)} requests of the candidate, which "
        f"gets at most {ratio_text(share)} of the {seen:.2g} a second seen there"
        + (f" and has them after {rough(takes)}" if takes < LONGEST_DURATION else "")
    )
    help_ = list(_remedies(turn, rollout, slowest, room, over))
    if help_:
        text += f". What would help, each by itself: {'; '.join(help_)}"
    return clip(text + untested(rollout.quality))


def _remedies(turn: Turn, rollout: Rollout, slowest: Wanted, room: float, over: float) -> Iterator[str]:
    seen = slowest.speed.seen if slowest.speed else 0.0
    if SPARE * over <= LONGEST_DURATION:
        yield f"strategy.deadline of {rough(SPARE * over)}"
    weight = _enough_weight(turn, rollout, slowest, seen, room)
    if weight:
        yield f"a last step of weight {weight}"
    margin = _enough_margin(slowest, assured(rollout), requests_within(room, seen, slowest.ramp))
    if margin:
        yield margin
    a_second = requests_within(room, 1.0, slowest.ramp)
    if a_second > 0:
        yield more_traffic(SPARE * slowest.left / a_second - seen)


def more_traffic(rate: float) -> str:
    """So many requests a second beside those that are seen."""
    return f"{rate:.2g} requests a second more in this pool, by users or by quality.probes"


def _enough_weight(turn: Turn, rollout: Rollout, slowest: Wanted, seen: float, room: float) -> int:
    """The smallest weight of another last step that gives the requests in time; 0 if none does."""
    shares = [stretch.share for stretch in slowest.ramp]
    for weight in range(rollout.weight + 1, 100):
        share = share_at(turn, slowest.pool, weight)
        more = (*slowest.ramp, Stretch(share, 0.0))
        if share > max(shares, default=0.0) and seconds_until(slowest.left, seen, more) <= room:
            return weight
    return 0


def _enough_margin(slowest: Wanted, sure: Assured, requests: float) -> str:
    """The narrowest limit that so many more requests can show; nothing of calibration, which is about nats."""
    field, error = slowest.need.field, 1.0 - sure.pass_confidence
    if field == MAX_BIAS:
        return ""
    relative = field != "maxRate"
    confidence = 1.0 - (IGNORED_SHARE * error if relative else error)
    counted = math.floor((requests + slowest.had) * slowest.counted)
    limit = up(upper_bound(counted, 0, confidence, sure.design_effect))
    name = "ignoreBelow" if relative else "maxRate"
    if limit >= WIDEST or (relative and limit > slowest.plan.max_rate):
        return ""
    return f"{name} {ratio_text(limit)} of this check"


def nothing_decides(pool: str) -> str:
    """A pool in which no check can pass, for there is none."""
    return clip(
        f"no check decides in pool {pool}, so nothing can ever pass there: take mode: Report away from one, add one, "
        "or raise the pool's auditShare above 0; the next rollout goes by it, or a retry once this one holds"
    )


def blind(pool: str, plan: CheckPlan) -> str:
    """A check of which nobody knows where its data are."""
    where = f"check {plan.name} in pool {pool}"
    return clip(f"{where} neither passes nor fails as long as it is not known where its data are: {plan.problem}")


def never(wanted: Wanted, *, compared: bool) -> str:
    """A check that no number of requests lets pass."""
    where = f"check {wanted.plan.name} in pool {wanted.pool} can never pass"
    if wanted.need.field == MAX_BIAS:
        return f"{where}: no number of audited tokens shows so small a bias; raise {MAX_BIAS}"
    if not compared and wanted.need.field == MAX_DROP:
        return f"{where}: scores are only compared with stable, which has no such pool; give it mode: Report"
    if not compared:
        return f'{where}: it is only compared with stable, which has no such pool; add for example maxRate: "1%"'
    return f'{where}: as good as stable is at its very limit; raise maxRatio above 1, or add ignoreBelow: "1%"'


def measuring(wanted: list[Wanted], known: list[Wanted]) -> str:
    """What is not known yet."""
    missing = next((one for one in wanted if one not in known), None)
    if missing is None:
        return "the traffic that was seen so far is near what the checks need before the deadline"
    if missing.speed is None:
        return f"how many requests pool {missing.pool} has is not known yet"
    if missing.need.field == MAX_BIAS:
        return f"check {missing.plan.name} in pool {missing.pool}: how random its audited tokens are is not known yet"
    if missing.need.field != "maxRate":
        return f"check {missing.plan.name} in pool {missing.pool}: how often stable is bad is not known yet"
    return f"check {missing.plan.name} in pool {missing.pool}: how much of the candidate it sees is not known yet"


def untested(quality: QualityPlan) -> str:
    """The checks that only stable measures: a release that serves alone is not tested by them."""
    names = [check.name for check in quality.checks if not (check.max_rate or check.max_bias_nats)]
    if not names:
        return ""
    return f"; without a maxRate not tested once the release serves alone: {', '.join(names)}"


def about(requests: float) -> str:
    """A number of requests to two digits."""
    return f"{float(f'{requests:.2g}'):.0f}" if requests < 1e15 else "endlessly many"


def rough(seconds: float) -> str:
    """A time rounded up as people would say it."""
    unit = next((unit for limit, unit in ((120, 10), (7200, 60), (86400, 1800)) if seconds < limit), 3600)
    return duration_text(math.ceil(seconds / unit) * unit)


def up(limit: float) -> float:
    """A rate rounded up to two digits."""
    unit = 10.0 ** (math.floor(math.log10(limit)) - 1)
    return math.ceil(limit / unit - 1e-9) * unit


def of_table(rollout: Rollout) -> str:
    """In the table's wave."""
    return f"what the checks of release {rollout.release} can show of its route table is not worked out"
