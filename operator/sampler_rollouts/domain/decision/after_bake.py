"""After the bake: what serves is looked at for as long as it serves. An alarm is told; nothing is rolled back (R22).

The bake's test for a change is asked in one window of time after the other. So it never ends, needs no samples older
than a window, and alarms of an honest release in each window with a chance of at most half of ``falseRollbackRate``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.births import grouped
from sampler_rollouts.domain.decision.baking import births_of
from sampler_rollouts.domain.decision.edits import said
from sampler_rollouts.domain.decision.quality import quality_plan
from sampler_rollouts.domain.decision.question import alone, on_watch, pools_beside, watch_beside
from sampler_rollouts.domain.decision.sentence import failed_check, moment
from sampler_rollouts.domain.decision.verdicts import CHECK_FAILED, looks_of_stable
from sampler_rollouts.domain.evidence.look import Verdict
from sampler_rollouts.domain.limits import clip
from sampler_rollouts.domain.plan import Alarm, FailedCheck, Watch
from sampler_rollouts.domain.quantities import LONGEST_DURATION, seconds

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.evidence.look import CheckLook
    from sampler_rollouts.domain.plan import Release

LOOK_SECONDS: Final = 60.0
"""Between two looks: the test's own intervals are as long."""
WINDOW: Final = 86_400
"""Seconds of a window at least; a longer bake time gives a longer one."""
AFTER_ALARM: Final = 3_600
"""The first window after an alarm: what came before must not weigh for long against a release that is well again. Each
that follows is twice as long, for where traffic is thin an hour passes nothing."""


def hear_alarm(turn: Turn) -> None:
    """Say what has failed, once; take it back when that very check passes on data of a later window (R12).

    What fails while an alarm stands is told as well, and is the alarm if it outlives the first.
    """
    status, watch = turn.status, on_watch(turn.status) or watch_beside(turn.status)
    if watch is None or status.stable is None:
        return
    looks = list(looks_of_stable(turn))
    if watch.alarm is not None and _is_over(watch.alarm, looks):
        turn.note("PassedAgain", f"Release {watch.release}, pool {watch.alarm.pool}: check {watch.alarm.check} passes.")
        watch.alarm = None
    failed = next((look for look in looks if look.verdict is Verdict.FAILED), None)
    if watch.alarm is None and failed is not None:
        _alarm(turn, status.stable, watch, failed)
    if status.watch is not None and status.watch.alarm is not None:
        _hear_others(turn, status.watch.alarm, looks)


def _hear_others(turn: Turn, alarm: Alarm, looks: list[CheckLook]) -> None:
    passed = {(look.pool, look.check) for look in looks if look.verdict is Verdict.PASSED}
    alarm.others = [one for one in alarm.others if (one.pool, one.check) not in passed]
    known = {(alarm.pool, alarm.check), *((one.pool, one.check) for one in alarm.others)}
    failed = [look for look in looks if look.verdict is Verdict.FAILED and (look.pool, look.check) not in known]
    for look in failed[: limits.ALARMS - len(alarm.others)]:
        alarm.others.append(FailedCheck(pool=look.pool, check=look.check))
        turn.note(CHECK_FAILED, f"Pool {look.pool} is not well either: {failed_check(look)}", warning=True)


def _alarm(turn: Turn, stable: Release, watch: Watch, look: CheckLook) -> None:
    message = clip(
        f"Release {stable.hash}, which was verified, is not well: pool {look.pool}: {failed_check(look)}. Nothing is "
        f"rolled back by itself after the bake time. Last change seen: {_last_change(turn, stable, watch, look.pool)}"
    )
    watch.alarm = Alarm(reason=CHECK_FAILED, message=message, at=turn.now, pool=look.pool, check=look.check)
    _begin(turn, stable, AFTER_ALARM)
    turn.note(CHECK_FAILED, message, warning=True)


def _is_over(alarm: Alarm, looks: list[CheckLook]) -> bool:
    mine = (look for look in looks if (look.pool, look.check) == (alarm.pool, alarm.check))
    return any(look.verdict is Verdict.PASSED for look in mine)


def _last_change(turn: Turn, stable: Release, watch: Watch, pool: str) -> str:
    """What came last while it served: a pod of the pool, an edit by others, a route of theirs; and how it came."""
    entry = next((one for one in turn.status.history if one.release == stable.hash), None)
    came = f"at {moment(stable.since)}: {entry.message if entry else 'the release took all traffic.'}"
    pod = max(((birth.at, f"pod {birth.pod} was created") for birth in watch.births_in(pool)), default=None)
    edits = [one for one in turn.status.edits if not one.services]
    edit = max(((one.at, said(one) + ("" if one.adds else " (it was put back)")) for one in edits), default=None)
    routes = [*turn.seen.calls, *(one for one in turn.status.edits if one.services)]  # this look's are not noted yet
    route = max(((one.at, said(one)) for one in routes), default=None)
    seen = sorted((one for one in (pod, edit, route) if one and one[0] > stable.since), reverse=True)
    return "; before that, ".join([*(f"at {moment(at)} {what}" for at, what in seen), came])


def watch_on(turn: Turn) -> None:
    """Begin to watch what serves alone after its bake, note its pods, and begin the next window when one is over."""
    status, stable = turn.status, turn.status.stable
    if stable is None or (status.watch and status.watch.release != stable.hash):
        status.watch = None
    if stable is None or stable.fault or status.bake is not None or not (alone(status) or pools_beside(status)):
        return
    watch = status.watch
    age = (turn.now - watch.since).total_seconds() if watch else 0.0
    if watch is None or not 0 <= age < watch.seconds:  # the machine's time may have been ahead
        _begin(turn, stable, 2 * watch.seconds if watch and watch.alarm else LONGEST_DURATION)
    else:
        watch.births = births_of(turn, stable, watch.births)


def _begin(turn: Turn, stable: Release, at_most: int) -> None:
    """A new window, by the spec as it is now; by what was asked before if it cannot be read. ``at_most`` in seconds."""
    before, spec = turn.status.watch, turn.wish.spec if turn.wish else None
    if turn.wish is not None:
        quality = quality_plan(turn.wish.spec, stable.names(), turn.wish.templates, probed=False)
    elif before is not None:
        quality = before.quality
    else:
        return
    asked = {check.name for check in quality.checks}
    alarm = before.alarm if before and before.alarm and before.alarm.check in asked else None
    if alarm is not None:
        alarm.others = [one for one in alarm.others if one.check in asked]
    whole = max(WINDOW, seconds(spec.strategy.bake_time) if spec else 0)
    turn.status.watch = Watch(
        release=stable.hash,
        since=turn.now,
        seconds=min(whole, at_most) if alarm else whole,
        quality=quality,
        born=grouped(births_of(turn, stable, [])),
        alarm=alarm,
    )


def told(turn: Turn) -> str:
    """What is known against a verified release that serves, or has to make room for a candidate; or nothing."""
    watch, stable = turn.status.watch, turn.status.stable
    known = watch is not None and stable is not None and watch.release == stable.hash
    alarm = watch.alarm if known and watch else None
    if alarm is None:
        return ""
    others = ", ".join(f"check {one.check} in pool {one.pool}" for one in alarm.others)
    return clip(f"Failed since then: {others}. {alarm.message}") if others else alarm.message
