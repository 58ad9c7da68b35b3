"""The bake: time at full traffic in which the data of what serves were there to be seen (R13, R22).

The time between two looks counts if the data were valid at the first of them and the second came soon after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain.births import Birth
from sampler_rollouts.domain.decision.context import Turn, moving
from sampler_rollouts.domain.decision.quality import problem_of, quality_plan
from sampler_rollouts.domain.decision.question import alone, bake_beside, watched
from sampler_rollouts.domain.decision.verdicts import CHECK_FAILED, NO_DATA, checks_of
from sampler_rollouts.domain.evidence.look import UNDECIDED, Verdict
from sampler_rollouts.domain.status import Stage

if TYPE_CHECKING:
    from datetime import datetime

    from sampler_rollouts.domain.evidence.look import CheckLook
    from sampler_rollouts.domain.plan import Bake, QualityPlan, Release
    from sampler_rollouts.domain.status import Status

UNSEEN: Final = 300.0
"""Nobody has looked for longer: what the data were meanwhile is not known, and the time does not count."""
UNSEEN_SCRAPES: Final = 5
SPARE: Final = 60.0
SPARE_LOOKS: Final = 3
"""So long, and so many looks, before it would seem that nobody has looked it is noted that somebody has: looks that
fail, and an operator that starts again, stop no clock. It is a write each time, for a whole day."""

Standing = tuple[str, str]
"""Why the clock stands: a reason and words; two empty strings while it runs."""
RUNS: Final[Standing] = ("", "")


def run_clock(turn: Turn) -> None:
    """Let the bake's clock run while the data are valid, and stand otherwise."""
    bake, stable = turn.status.bake, turn.status.stable
    if bake is None or stable is None:
        return
    if watched(turn.status) or bake_beside(turn.status):
        _watch(turn, bake, stable)
    scrape = turn.evidence.scrape_interval if turn.evidence else 0.0
    longest = max(UNSEEN, UNSEEN_SCRAPES * scrape)
    bake.clock.stand_since(bake.seen_at, turn.now, longest)
    runs = standing(turn) == RUNS
    bake.clock.run(runs, turn.now)
    if runs and is_due(bake.seen_at, turn.now, longest, scrape):
        bake.seen_at = turn.now


def is_due(noted: datetime | None, now: datetime, longest: float, between: float) -> bool:
    """Whether to note again that somebody looks, where looks are so many seconds apart and ``longest`` may pass.

    What was noted at a time that has not come yet is set right: the machine's time was ahead.
    """
    age = -1.0 if noted is None else (now - noted).total_seconds()
    return not 0 <= age < longest - max(SPARE, SPARE_LOOKS * between)


def _watch(turn: Turn, bake: Bake, stable: Release) -> None:
    """What is to be asked for at the next look: the checks of all pools, and the pods that are there."""
    if bake.test is None and bake.watch is None and turn.wish is not None and turn.target == stable.hash:
        bake.watch = quality_plan(turn.wish.spec, stable.names(), turn.wish.templates)
    bake.births = births_of(turn, stable, bake.births)


def births_of(turn: Turn, stable: Release, before: list[Birth]) -> list[Birth]:
    """The pods of what serves, and those that were before: what a pod that has gone counted stays evidence."""
    known = {birth.pod: birth for birth in before}
    for birth in known.values():
        birth.serving = False
    for item in stable.pools:
        for pod in turn.pods(item.name, item.revision):
            fresh = Birth(pod=pod.name, pool=item.name, at=min(pod.created_at, turn.now))
            known.setdefault(pod.name, fresh).serving = pod.ready
    return list(known.values())


def serves(status: Status) -> bool:
    """Whether a release serves without a candidate that has pods: its bake goes on."""
    return status.stage is Stage.SERVING or alone(status)


def standing(turn: Turn) -> Standing:
    """Why the clock stands."""
    status = turn.status
    if status.bake is None or not serves(status):
        return "Baking", "another release is under way"
    if turn.paused:
        return "Paused", "nothing goes on while paused, or while the spec cannot be read"
    begins = status.bake.seen_at is None and status.bake.clock.since >= turn.now
    if turn.evidence is None or begins:
        return "Baking", "its data have not been looked at yet"
    if not turn.evidence.available:
        return turn.evidence.reason or NO_DATA, f"the metrics source gave no answer ({turn.evidence_reason})"
    return _lacking(turn, status.bake)


def _lacking(turn: Turn, bake: Bake) -> Standing:
    """The first check of any pool without valid data."""
    quality, pools = _asked(turn, bake)
    if quality is None or turn.evidence is None:
        return NO_DATA, "what to watch is not known"
    for pool in pools:
        for name in checks_of(quality, pool):
            look = turn.evidence.looks.get((pool, name))
            if look is not None and look.verdict is Verdict.FAILED:
                return CHECK_FAILED, f"check {name} has failed in pool {pool}"
            if reason := _unusable(look):
                why = next((said for check in quality.checks if check.name == name and (said := problem_of(check))), "")
                return reason, f"no valid data of check {name} in pool {pool} ({reason}{': ' if why else ''}{why})"
        if not turn.evidence.fresh.get(pool, False):
            return "StaleData", f"no fresh data of pool {pool}"
    return RUNS


def _asked(turn: Turn, bake: Bake) -> tuple[QualityPlan | None, list[str]]:
    """The plan whose checks were asked for, and the pools."""
    rollout, stable = turn.status.rollout, turn.status.stable
    if rollout is not None and not alone(turn.status):
        return rollout.quality, moving(rollout)
    return bake.test or bake.watch, stable.names() if stable else []


def _unusable(look: CheckLook | None) -> str:
    if look is None:
        return NO_DATA
    decided = look.verdict is not Verdict.INCONCLUSIVE
    return "" if decided or look.reason in UNDECIDED else look.reason or NO_DATA


def verify(turn: Turn) -> None:
    """A release that has had its time at full traffic, and against which nothing is known, is verified."""
    status = turn.status
    if not serves(status) or status.bake is None or status.stable is None or turn.paused:
        return
    if status.bake.release != status.stable.hash:
        status.bake = None
        return
    if status.stable.fault or status.bake.clock.elapsed(turn.now) < status.bake.seconds:
        return
    status.verified = status.stable.model_copy(update={"since": turn.now})
    status.bake = status.previous = None
    if status.stage is Stage.SERVING:
        status.rollout = None
    turn.moved = True
    turn.note("Verified", f"Release {status.verified.hash} has passed its bake time.")
