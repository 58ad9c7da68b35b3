"""Abort conditions, then deadlines: R7's first two, R9, R13. Ordered policies, each of which may end the rollout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain.decision.context import Turn, begun, heard, revision_in, tested_pools
from sampler_rollouts.domain.decision.examined import awaited, blocked, pending, pods_of
from sampler_rollouts.domain.decision.faults import FIRST_RELEASE_FAILED, note_fault
from sampler_rollouts.domain.decision.leave import roll_back
from sampler_rollouts.domain.decision.memory import (
    clocks_run,
    expected,
    first_time_missing,
    replaced_for,
    unready_for,
    use_word,
    watched_pods,
)
from sampler_rollouts.domain.decision.one_pool import take_back
from sampler_rollouts.domain.decision.question import alone
from sampler_rollouts.domain.decision.sentence import failed_check, shared_since
from sampler_rollouts.domain.decision.share import skew
from sampler_rollouts.domain.decision.stages import STARTING, TESTED
from sampler_rollouts.domain.decision.suspects import stopped
from sampler_rollouts.domain.decision.table import table_waits_for
from sampler_rollouts.domain.decision.transitions import Trigger, move
from sampler_rollouts.domain.decision.verdicts import CHECK_FAILED, failed_look, forget_excuses, shared_looks
from sampler_rollouts.domain.evidence.look import SHARED_DEGRADATION
from sampler_rollouts.domain.limits import clip
from sampler_rollouts.domain.loose import Clock, Failure
from sampler_rollouts.domain.quantities import duration_text
from sampler_rollouts.domain.status import Stage

if TYPE_CHECKING:
    from datetime import datetime

    from sampler_rollouts.domain.observation import PodState, PreflightState, WorkloadState
    from sampler_rollouts.domain.plan import Rollout

EXITS: Final = 3
"""A container that has exited this often fails its release."""
LATELY: Final = 3600.0
"""Seconds since a pod that has ended was created: what ended before tells nothing of this try."""
PODS_FAILING: Final = "PodsFailing"
PODS_NOT_STARTED: Final = "PodsNotStarted"
DEADLINE_EXCEEDED: Final = "DeadlineExceeded"


def abort_on_failed_check(turn: Turn) -> None:
    """``Failed`` in any pool takes the release back from all of them, or from that one, as it is scoped (R19)."""
    rollout = turn.status.rollout
    look = failed_look(turn, rollout) if rollout else None
    if rollout is None or look is None:
        return
    if turn.status.stage in TESTED:
        take_back(turn, Trigger.CHECK_FAILED, CHECK_FAILED, look.pool, failed_check(look))
    elif turn.status.stage is Stage.SERVING:
        note_fault(turn, CHECK_FAILED, look.pool, look.check, failed_check(look))


def abort_on_crashes(turn: Turn) -> None:
    """A container that exits three times fails the candidate, paused or not."""
    rollout = turn.status.rollout
    if rollout is None or turn.status.stage not in TESTED | STARTING:
        return
    crashed = next((pod for pod in _candidate_pods(turn, rollout) if _exits(rollout, pod) >= EXITS), None)
    if crashed is not None:
        said = f" ({crashed.message})" if crashed.message else ""
        fail_candidate(
            turn,
            rollout,
            crashed.pool,
            f"the container of pod {crashed.name} exited {_exits(rollout, crashed)} times{said}",
        )


def _exits(rollout: Rollout, pod: PodState) -> int:
    """How often its container has exited in this rollout, and since it was last tried."""
    old = rollout.retried_at is not None and pod.created_at <= rollout.retried_at
    return pod.restarts - (rollout.exits if old else 0)


def fail_on_progress_deadline(turn: Turn) -> None:
    """Pods that are not ready in time: the build's fault if they run, the infrastructure's if they could not start.

    Pods that end before their time is over, and are replaced, decide nothing either: a build that fills its disk and a
    node that is full look alike.
    """
    rollout = turn.status.rollout
    if rollout is None or turn.status.stage not in {Stage.PROGRESSING} | STARTING or not clocks_run(turn):
        return
    if alone(turn.status):
        return  # the pods whose time runs are stable's
    for name in begun(rollout):
        if unready_for(turn.pool(name), turn) >= rollout.progress_deadline and _late(turn, rollout, name):
            return


def _late(turn: Turn, rollout: Rollout, name: str) -> bool:
    """Blame a pool's pods, or the cluster; False where each pod that is not ready has time left."""
    limit = duration_text(rollout.progress_deadline)
    unready = [pod for pod in watched_pods(turn, name) if not pod.ready and not pod.blocked]
    if not unready and first_time_missing(turn, name):
        return True
    # Each pod has the whole time for itself: one that got its node late, or was not ready for a moment, is not blamed
    # for the others.
    late = next((pod for pod in unready if pod.unready_for(turn.now) >= rollout.progress_deadline), None)
    ended = said_of_ended(turn.workload(name, revision_in(turn.status.candidate, name)), turn.now)
    none = "they end at once" if ended else "the cluster has not created them"
    why = turn.pool(name).blocked or ("" if unready else none)
    if late is not None:
        fail_candidate(turn, rollout, name, f"pod {late.name} was not ready within {limit}")
        return True
    if _replaced(turn, rollout, name, unready):
        why = f"for {limit} pods have ended before they were ready, and others have taken their place"
    elif why:
        why = f"pods could not start within {limit}: {why}"
    if why:
        inconclusive(turn, rollout, PODS_NOT_STARTED, name, why + ended)
    return bool(why)


def _replaced(turn: Turn, rollout: Rollout, name: str, unready: list[PodState]) -> bool:
    """Whether pods have run for the whole time and none became ready, and none of those is there any more.

    One whose container ends and starts again is still there: its exits decide.
    """
    time = replaced_for(turn.pool(name), turn)
    young = all((turn.now - pod.created_at).total_seconds() < time for pod in unready)
    return time >= rollout.progress_deadline and young


def said_of_ended(seen: WorkloadState | PreflightState | None, now: datetime) -> str:
    """Why the last of some pods that ended did, if that was lately."""
    ended = seen.ended if seen else None
    recent = ended is not None and (now - ended.created_at).total_seconds() < LATELY
    return f" ({ended.why})" if ended and recent and ended.why else ""


def heed_shared_degradation(turn: Turn) -> None:
    """Above its limit in both releases since the candidate has traffic: this rollout may have caused it (R12).

    No clock is asked: it holds while paused too.
    """
    rollout = turn.status.rollout
    if rollout is None or turn.status.stage is not Stage.PROGRESSING:
        return
    forget_excuses(turn, rollout)
    new = next((look for look in shared_looks(turn, rollout) if look.check not in rollout.excused), None)
    if new is not None:
        inconclusive(turn, rollout, SHARED_DEGRADATION, new.pool, shared_since(new))


def hold_or_roll_back_on_deadline(turn: Turn) -> None:
    """The whole rollout's time is over without a decision."""
    rollout = turn.status.rollout
    if rollout is None or turn.status.stage is not Stage.PROGRESSING or not clocks_run(turn):
        return
    if rollout.clock.elapsed(turn.now) >= rollout.deadline:
        why = f"no decision within the deadline of {duration_text(rollout.deadline)}: {waiting_for(turn, rollout)}"
        inconclusive(turn, rollout, DEADLINE_EXCEEDED, "", why)


def waiting_for(turn: Turn, rollout: Rollout) -> str:
    """What the rollout lacks, pool by pool."""
    asked = heard(rollout, tested_pools(rollout))
    skewed = [said for name in asked if (said := skew(turn, name))]
    skewed += [f"it waits for {route}"] if (route := table_waits_for(turn, rollout)) else []
    missing = [
        f"pool {name} is {pool.verdict or 'not tested'}" + (f" ({pool.reason})" if pool.reason else "")
        for name in asked
        if (pool := turn.pool(name)).passed_at is None
    ]
    suspect = [f"it waits for {who}"] if (who := stopped(turn)) else []
    return "; ".join([*suspect, *skewed, *missing]) or "its steps are not done"


def resume_when_pods_start(turn: Turn) -> None:
    """What held only because pods could not start goes on when they can."""
    rollout = turn.status.rollout
    if rollout is None or rollout.hold is None or rollout.hold.reason != PODS_NOT_STARTED or turn.paused:
        return
    tried = [] if alone(turn.status) else begun(rollout)
    waiting = [name for name in tried if turn.pool(name).unready is not None]
    if any(replaced_for(turn.pool(name), turn) >= rollout.progress_deadline for name in waiting):
        return  # pods run, as they did before: it goes on when they are ready
    if any(turn.pool(name).blocked or len(watched_pods(turn, name)) < expected(turn, name) for name in waiting):
        return
    if any(blocked(turn, child) or not pods_of(turn.status, turn.seen, child) for child in awaited(turn.status)):
        return
    if plan := pending(rollout):
        plan.clock = Clock(since=turn.now)
    for name in waiting:
        turn.pool(name).forget_readiness()
    end_hold(turn, rollout, Trigger.PODS_STARTED)
    turn.note("PodsStarted", f"The pods of release {rollout.release} could start after all.")


def end_hold(turn: Turn, rollout: Rollout, trigger: Trigger) -> None:
    """What it held for is there: it goes on by itself. What was said to end this hold must end no later pause."""
    rollout.hold = None
    use_word(turn)
    turn.moved = True
    if turn.status.stage is Stage.HOLDING:
        move(turn, trigger)


def _candidate_pods(turn: Turn, rollout: Rollout) -> Iterator[PodState]:
    """Its servers in the pools that have begun, and the pods that examine it."""
    for name in begun(rollout):
        yield from turn.pods(name, revision_in(turn.status.candidate, name))
    for child in awaited(turn.status):
        yield from pods_of(turn.status, turn.seen, child)


def fail_candidate(
    turn: Turn,
    rollout: Rollout,
    pool: str,
    why: str,
    trigger: Trigger = Trigger.PODS_FAILING,
    reason: str = PODS_FAILING,
) -> None:
    """Take the candidate back as it is scoped; one that is being established has nothing to go back to, and says so."""
    if turn.status.stage is not Stage.ESTABLISHING:
        take_back(turn, trigger, reason, pool, why)
    elif rollout.failure is None:
        # R10: there is nothing to go back to. What only says that pods do not come up is over when they do.
        message = clip(f"Release {rollout.release} is not well: pool {pool}: {why}; there is nothing to go back to.")
        rollout.failure = Failure(reason=reason, message=message, at=turn.now)
        turn.note(FIRST_RELEASE_FAILED, message, warning=True)


def inconclusive(turn: Turn, rollout: Rollout, reason: str, pool: str, why: str) -> None:
    """``onInconclusive`` decides. A release that only starts again has nothing better to go back to: it waits."""
    starting = turn.status.stage in STARTING
    if rollout.on_inconclusive == "Rollback" and not starting:
        # What both releases depend on is no matter of one pool.
        back = roll_back if reason == SHARED_DEGRADATION else take_back
        back(turn, Trigger.INCONCLUSIVE_ROLLBACK, reason, pool, why)
        return
    if rollout.hold is not None:
        return
    place = f" in pool {pool}" if pool else ""
    message = clip(f"Release {rollout.release} holds at weight {rollout.weight}{place}: {why}.")
    rollout.hold = Failure(reason=reason, message=message, at=turn.now)
    turn.note(reason, message, warning=True)
    if not starting:
        move(turn, Trigger.INCONCLUSIVE_HOLD)
