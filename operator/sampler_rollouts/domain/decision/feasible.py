"""EvidenceFeasible (R16): whether every check can pass before the deadline, at the traffic that is seen.

What was said last is in status and stands until it is wrong for a reader: the answer turns only when the traffic's
whole interval is on the other side, and numbers are said anew only when they are off by half.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from sampler_rollouts.domain.decision import feasible_words as words
from sampler_rollouts.domain.decision.context import Turn, has_stable, heard, moving, table_wave, tested_pools
from sampler_rollouts.domain.decision.needs import Speed, Wanted, assured, wanted_of
from sampler_rollouts.domain.decision.verdicts import NOTHING_DECIDES, required
from sampler_rollouts.domain.evidence.feasibility import MAX_BIAS, seconds_until
from sampler_rollouts.domain.evidence.samples import TEMPLATE_MISSING, TEMPLATE_UNREAD
from sampler_rollouts.domain.plan import Forecast
from sampler_rollouts.domain.status import Stage

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.feasible_bake import Alone
    from sampler_rollouts.domain.plan import Rollout
    from sampler_rollouts.domain.resource import Spec

OFF: Final = 1.5
"""A number that is off by more than this factor misleads."""
CAN_PASS: Final = "CanPass"  # noqa: S105
ALL_PASSED: Final = "AllPassed"
TOO_FEW: Final = "TooFewRequests"
NOTHING_TO_COMPARE: Final = "NothingToCompare"
NO_MARGIN: Final = "NoMargin"
ROUTE_TABLE: Final = "RouteTable"
MEASURING: Final = "Measuring"
C = TypeVar("C", Wanted, "Alone")
Saying: TypeAlias = tuple[Forecast, Callable[[], str]]
"""What is found, and how it is said: words, and remedies, are worked out only when they are new."""


def note_forecast(turn: Turn) -> None:
    """Say what the checks of the rollout under way can show, or let stand what was said."""
    rollout = turn.status.rollout
    if rollout is None or rollout.first or turn.status.stage is not Stage.PROGRESSING:
        return
    if idle := next((name for name in heard(rollout, _to_pass(rollout)) if not required(rollout, name)), ""):
        said = words.nothing_decides(idle)
        rollout.forecast = Forecast(feasible="False", reason=NOTHING_DECIDES, pool=idle, message=said)
        return
    if turn.wish is None:
        return
    unseen = turn.evidence is None or not turn.evidence.available
    if unseen and rollout.forecast is not None:
        return
    try:
        found = _found(turn, rollout, turn.wish.spec)
    except ValueError:  # a plan that cannot be read: nothing is asked, and nothing can be said
        return
    if found is not None and not stands(rollout.forecast, found[0]):
        forecast, words_of = found
        rollout.forecast = forecast.model_copy(update={"message": words_of()})


def _to_pass(rollout: Rollout) -> list[str]:
    """The pools in which something must pass: in the table's wave those that it names."""
    return tested_pools(rollout) if table_wave(rollout) else moving(rollout)


def stands(before: Forecast | None, found: Forecast) -> bool:
    """Whether what was said before is the same for a reader."""
    if before is None or found.feasible == "Unknown":
        return False
    same = all(getattr(before, name) == getattr(found, name) for name in ("feasible", "reason", "pool", "check"))
    if found.reason in (TEMPLATE_MISSING, TEMPLATE_UNREAD):
        return same and before.message == found.message
    return same and _near(before.rate, found.rate) and _near(before.needed, found.needed)


def _near(one: str, other: str) -> bool:
    try:
        low, high = sorted((float(one or "0"), float(other or "0")))
    except ValueError:
        return False
    return low == high or high <= OFF * low


def _found(turn: Turn, rollout: Rollout, spec: Spec) -> Saying | None:
    """What can be said now; None for what was said before."""
    if table_wave(rollout):
        return Forecast(feasible="Unknown", reason=ROUTE_TABLE), lambda: words.of_table(rollout)
    unheard = rollout.table.silent if rollout.table else []
    wanted = [one for one in wanted_of(turn, rollout, spec) if one.pool not in unheard]
    if not wanted:
        return Forecast(feasible="True", reason=ALL_PASSED), lambda: words.all_passed(rollout)
    blind = next((one for one in wanted if one.plan.problem), None)
    if blind is not None:
        said = words.blind(blind.pool, blind.plan)
        return _named("False", blind.plan.unreadable, blind).model_copy(update={"message": said}), lambda: said
    never = next((one for one in wanted if math.isinf(one.need.requests)), None)
    if never is not None:
        compared = has_stable(turn, never.pool)
        reason = NO_MARGIN if compared or never.need.field == MAX_BIAS else NOTHING_TO_COMPARE
        return _named("False", reason, never), lambda: words.never(never, compared=compared)
    known = [one for one in wanted if one.speed is not None and not math.isnan(one.requests)]
    return _timed(turn, rollout, wanted, known) or _undecided(rollout.forecast, wanted, known)


def _timed(turn: Turn, rollout: Rollout, wanted: list[Wanted], known: list[Wanted]) -> Saying | None:
    left = rollout.deadline - rollout.clock.elapsed(turn.now)
    if not known or left <= 0:
        return None
    longest = slowest(known, rollout.forecast, _whole)
    needed = _total(rollout, known, lambda speed: speed.seen)
    if _total(rollout, known, lambda speed: speed.high) > left:
        room = max(0.0, left - max(0.0, needed - _rest(longest)))
        over = rollout.deadline + needed - left
        return _named("False", TOO_FEW, longest), lambda: words.too_few(turn, rollout, longest, room=room, over=over)
    if len(known) == len(wanted) and _total(rollout, known, lambda speed: speed.low) <= left:
        return _named("True", CAN_PASS, longest), lambda: words.can_pass(rollout, longest, assured(rollout))
    return None


def _undecided(before: Forecast | None, wanted: list[Wanted], known: list[Wanted]) -> Saying | None:
    """What has been said is not disproved; at first nothing is known."""
    if before is not None and before.feasible != "Unknown":
        spoken = any((one.pool, one.plan.name) == (before.pool, before.check) for one in wanted)
        if spoken and before.reason in (CAN_PASS, TOO_FEW):
            return None
    return Forecast(feasible="Unknown", reason=MEASURING), lambda: words.measuring(wanted, known)


def slowest(known: Iterable[C], before: Forecast | None, takes: Callable[[C], float]) -> C:
    """The check that takes longest; the one that was named before, as long as it takes nearly as long."""
    times = {(one.pool, one.plan.name): (takes(one), one) for one in known}
    longest, worst = max(times.values(), key=itemgetter(0))
    time, named = times.get((before.pool, before.check), (longest, worst)) if before else (longest, worst)
    return named if time * OFF >= longest else worst


def _whole(one: Wanted) -> float:
    return seconds_until(one.requests, one.speed.seen if one.speed else 0.0, one.whole)


def _rest(one: Wanted) -> float:
    return seconds_until(one.left, one.speed.seen if one.speed else 0.0, one.ramp)


def _total(rollout: Rollout, known: list[Wanted], rate: Callable[[Speed], float]) -> float:
    """Seconds from now until all waves have passed, one after the other."""
    return sum(_of_wave([one for one in known if one.pool in wave], rate) for wave in rollout.waves[rollout.wave :])


def _of_wave(known: Iterable[Wanted], rate: Callable[[Speed], float]) -> float:
    times = [0.0]
    for one in known:
        times.append(sum(stretch.seconds for stretch in one.ramp))
        times.append(seconds_until(one.left, rate(one.speed) if one.speed else 0.0, one.ramp))
    return max(times)


def _named(feasible: str, reason: str, one: Wanted) -> Forecast:
    requests = "" if math.isinf(one.requests) or math.isnan(one.requests) else f"{one.requests:.4g}"
    return Forecast.model_validate(
        {
            "feasible": feasible,
            "reason": reason,
            "pool": one.pool,
            "check": one.plan.name,
            "rate": f"{one.speed.seen:.4g}" if one.speed else "",
            "needed": requests,
        }
    )
