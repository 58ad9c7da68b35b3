"""The forecast of a bake in words: what would be found, after how long, and what would help, with numbers (R16)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from sampler_rollouts.domain.decision.feasible_words import SPARE, WIDEST, about, more_traffic, rough, untested, up
from sampler_rollouts.domain.evidence.samples import is_calibration
from sampler_rollouts.domain.limits import clip
from sampler_rollouts.domain.quantities import LONGEST_DURATION, duration_text, nats_text, ratio_text

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.feasible_bake import Alone
    from sampler_rollouts.domain.plan import Bake, QualityPlan

_ROUNDS: Final = 4
"""A longer bake takes a little more evidence to fail in: so often its time is worked out again."""
_FACTORS: Final = np.geomspace(2, 500, 60)


def can_show(slowest: Alone, bake: Bake, plan: QualityPlan) -> str:
    """What the bake would find, and when."""
    return clip(
        f"a build that has become {_twice(slowest)}, is found within the bake time of {duration_text(bake.seconds)} by "
        f"every check; the slowest, {_where(slowest)}, needs about {about(slowest.requests(bake.seconds))} requests: "
        f"{rough(slowest.takes(bake.seconds))} at the {_seen(slowest)} a second seen there" + untested(plan)
    )


def too_few(slowest: Alone, bake: Bake, plan: QualityPlan) -> str:
    """What the bake would not find, what it would, and what would help."""
    takes, whole = slowest.takes(bake.seconds), duration_text(bake.seconds)
    text = (
        f"{_where(slowest)} would hardly find in the bake time of {whole} that a build has become {_twice(slowest)}: "
        f"it needs about {about(slowest.requests(bake.seconds))} requests of the {_seen(slowest)} a second seen there"
        + (f", which takes {rough(takes)}" if takes < LONGEST_DURATION else "")
    )
    if worse := _found_in_time(slowest, bake):
        text += f". What it would find is one that is bad in {ratio_text(worse)}"
    if help_ := list(_remedies(slowest, bake)):
        text += f". What would help, each by itself: {'; '.join(help_)}"
    return clip(text + untested(plan))


def nothing(plan: QualityPlan) -> str:
    """No check has a limit of its own."""
    return clip("a release that serves alone is under no test" + untested(plan))


def measuring(every: list[Alone], known: list[Alone]) -> str:
    """What is not known yet."""
    missing = next((one for one in every if one not in known), None)
    if missing is None:
        return "the traffic that was seen so far is near what the checks need in the bake time"
    if missing.speed is None:
        return f"how many requests pool {missing.pool} has is not known yet"
    what = "how random its audited tokens are" if is_calibration(missing.plan) else "how many tokens it sees"
    return f"{_where(missing)}: {what} is not known yet"


def _where(one: Alone) -> str:
    return f"check {one.plan.name} in pool {one.pool}"


def _twice(one: Alone) -> str:
    if is_calibration(one.plan):
        return f"biased by {nats_text(one.bad)}, twice what the check allows"
    return f"bad in {ratio_text(one.bad)}, twice the limit"


def _seen(one: Alone) -> str:
    return f"{one.speed.seen:.2g}" if one.speed else "0"


def _found_in_time(one: Alone, bake: Bake) -> float:
    """The mildest change that the traffic shows in the bake time; 0 where there is none, and of calibration."""
    if is_calibration(one.plan) or one.speed is None:
        return 0.0
    rates = (float(rate) for rate in one.plan.max_rate * _FACTORS if rate < 1)
    there = one.speed.seen * bake.seconds
    return next((up(rate) for rate in rates if one.requests(bake.seconds, rate) <= there), 0.0)


def _remedies(one: Alone, bake: Bake) -> Iterator[str]:
    longer = float(bake.seconds)
    for _ in range(_ROUNDS):
        longer = SPARE * one.takes(longer)
        if longer > LONGEST_DURATION:
            break
    else:
        yield f"strategy.bakeTime of {rough(longer)}"
    if one.speed is None or is_calibration(one.plan):
        return
    limit = up(one.plan.max_rate * one.requests(bake.seconds) / max(1.0, one.speed.seen * bake.seconds))
    if limit < WIDEST / 2:
        yield f"maxRate {ratio_text(limit)} of this check"
    yield more_traffic(SPARE * one.requests(bake.seconds) / bake.seconds - one.speed.seen)
