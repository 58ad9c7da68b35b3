"""The preflight of a rollout: a pod of each pool that moves examines the build at weight 0, and its result decides.

Nothing but a result that says so passes (R12). No result in time is inconclusive (R13), or the fault of a pod that does
not become ready (R9).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.decision.aborts import (
    PODS_FAILING,
    PODS_NOT_STARTED,
    end_hold,
    fail_candidate,
    inconclusive,
    said_of_ended,
)
from sampler_rollouts.domain.decision.changes import template_of
from sampler_rollouts.domain.decision.context import Turn, moving, revision_in
from sampler_rollouts.domain.decision.examined import (
    EXAMINED,
    NO_ANSWER,
    PREFLIGHT_FAILED,
    awaited,
    blocked,
    pending,
    pods_of,
    reading_of,
    results,
    state_of,
)
from sampler_rollouts.domain.decision.memory import clocks_run
from sampler_rollouts.domain.decision.transitions import Trigger
from sampler_rollouts.domain.loose import Clock
from sampler_rollouts.domain.observation import REFUSED
from sampler_rollouts.domain.plan import FirstPod, PreflightPlan
from sampler_rollouts.domain.preflight import difference
from sampler_rollouts.domain.quantities import duration_text, seconds
from sampler_rollouts.domain.render import Child
from sampler_rollouts.domain.render_preflight import attempt_label, preflight_deployment
from sampler_rollouts.domain.status import Stage

if TYPE_CHECKING:
    from datetime import datetime

    from sampler_rollouts.domain.observation import PodState
    from sampler_rollouts.domain.outcome import Manifest
    from sampler_rollouts.domain.plan import Rollout
    from sampler_rollouts.domain.preflight import PreflightResult
    from sampler_rollouts.domain.resource import Spec

PREFLIGHT_UNAVAILABLE: Final = "PreflightUnavailable"
STARTED: Final = frozenset({Stage.ESTABLISHING, Stage.PROGRESSING})


def plan_of(spec: Spec, now: datetime) -> PreflightPlan | None:
    """The preflight that a spec asks for."""
    asked = spec.strategy.preflight
    if asked is None:
        return None
    return PreflightPlan(
        budget=seconds(asked.budget),
        timeout=asked.limit(spec.strategy.progress_deadline),
        compare_with_stable=asked.compare_with_stable,
        clock=Clock(since=now),
        tried_at=now,
    )


def begin(turn: Turn) -> None:
    """A release without steps waits for its result at weight 0 too (R10)."""
    rollout = turn.status.rollout
    if rollout is not None and pending(rollout) is not None and rollout.first:
        rollout.weight, rollout.step = 0, -1


def restart(turn: Turn, rollout: Rollout) -> None:
    """A person wants it tried again: examined anew, by other pods, with its whole time."""
    plan = pending(rollout)
    if plan is None:
        return
    new = {(name, revision_in(turn.status.candidate, name)) for name in moving(rollout)}
    turn.status.preflights = [one for one in turn.status.preflights if (one.pool, one.revision) not in new]
    plan.clock, plan.missed, plan.blocked = Clock(since=turn.now), False, ""
    plan.tried_at, plan.first_pods = turn.now, []


def preflight_manifests(turn: Turn) -> tuple[Manifest, ...]:
    """A Deployment for each pool that has no result yet."""
    plan = pending(turn.status.rollout)
    if plan is None:
        return ()
    made = [(child, template_of(turn, child)) for child in awaited(turn.status)]
    attempt = attempt_label(plan.tried_at)
    return tuple(
        preflight_deployment(turn.meta.owner, child, template, plan.budget, attempt)
        for child, template in made
        if template
    )


def remember_results(turn: Turn) -> None:
    """Write what came into status, so that it is never asked for again; and let the clock run."""
    plan = pending(turn.status.rollout)
    if plan is None or turn.status.stage not in EXAMINED:
        return
    for child in awaited(turn.status):
        reading = reading_of(turn, child)
        if reading is not None and reading.result is not None:
            turn.status.preflights.append(reading.result.model_copy(deep=True))
    _run_clock(turn, plan)


def _run_clock(turn: Turn, plan: PreflightPlan) -> None:
    """Pods that could not start until now have their whole time before them; not those that replace one that did."""
    stuck = next((said for child in awaited(turn.status) if (said := blocked(turn, child))), "")
    began = _begun_now(turn, plan)
    plan.first_pods = [*plan.first_pods, *began]
    if plan.blocked and not stuck and (began or plan.blocked.startswith(REFUSED)):
        plan.clock = Clock(since=turn.now)
    plan.blocked = limits.clip(stuck)
    plan.clock.run(clocks_run(turn), turn.now)


def _begun_now(turn: Turn, plan: PreflightPlan) -> list[FirstPod]:
    """The first pods that run of pools none of whose pods ran before in this try."""
    known = {one.pool for one in plan.first_pods}
    new = (child for child in awaited(turn.status) if child.pool not in known)
    running = ((child.pool, _running(turn, child)) for child in new)
    return [FirstPod(pool=pool, pod=pods[0].name) for pool, pods in running if pods]


def _running(turn: Turn, child: Child) -> list[PodState]:
    return [pod for pod in pods_of(turn.status, turn.seen, child) if not pod.blocked]


def abort_on_failed_preflight(turn: Turn) -> None:
    """``failed`` in any pool, or a pool that differs from another or from stable, takes the release back from all."""
    rollout = turn.status.rollout
    if rollout is None or pending(rollout) is None or turn.status.stage not in EXAMINED:
        return
    found = _wrong(turn, rollout)
    if found:
        pool, why = found
        fail_candidate(turn, rollout, pool, why, Trigger.PREFLIGHT_FAILED, PREFLIGHT_FAILED)


def _wrong(turn: Turn, rollout: Rollout) -> tuple[str, str] | None:
    """The pool in which something is wrong, and what."""
    found = _failed(turn, rollout)
    if not found and _all_said(turn):
        found = _apart(turn, rollout) or _unlike_stable(turn, rollout)
    return found


def _all_said(turn: Turn) -> bool:
    """Whether there is no result to wait for: which pool is the odd one is not known before."""
    plan = pending(turn.status.rollout)
    return plan is not None and (not awaited(turn.status) or plan.clock.elapsed(turn.now) >= plan.timeout)


def _mine(turn: Turn, rollout: Rollout) -> list[PreflightResult]:
    return [one for one in results(turn) if one.pool in moving(rollout)]


def _failed(turn: Turn, rollout: Rollout) -> tuple[str, str] | None:
    failed = next((one for one in _mine(turn, rollout) if one.verdict == "Failed"), None)
    return (failed.pool, f"its preflight failed: {failed.sentence}") if failed else None


def _apart(turn: Turn, rollout: Rollout) -> tuple[str, str] | None:
    """The pool that differs from most of the others; of those that differ as much, the last one."""
    passed = [one for one in results(turn) if one.verdict == "Passed"]
    found: dict[str, list[str]] = {}
    for one in passed:
        others = (other for other in passed if other is not one)
        said = [text for other in others if (text := difference(one, other, f"pool {other.pool}'s"))]
        if said and one.pool in moving(rollout):
            found[one.pool] = said
    if not found:
        return None
    pool = max(reversed(found), key=lambda name: len(found[name]))
    return pool, f"preflight: {found[pool][0]}"


def _unlike_stable(turn: Turn, rollout: Rollout) -> tuple[str, str] | None:
    plan = rollout.preflight
    for one in _mine(turn, rollout):
        stable = turn.status.preflight(one.pool, revision_in(turn.status.stable, one.pool))
        if plan is None or stable is None or "Failed" in (one.verdict, stable.verdict):
            continue
        if said := difference(one, stable, "stable's", logprobs=plan.compare_with_stable):
            remedy = "" if "digest" in said else "; if the model was to change, set preflight.compareWithStable: false"
            return one.pool, f"preflight: {said}{remedy}"
    return None


def fail_on_preflight_deadline(turn: Turn) -> None:
    """A pool without a result in time. What is the build's fault is told before what may be the infrastructure's."""
    rollout = turn.status.rollout
    plan = pending(rollout)
    if rollout is None or plan is None or turn.status.stage not in STARTED or not clocks_run(turn):
        return
    late = awaited(turn.status)
    if not late or plan.clock.elapsed(turn.now) < plan.timeout or _first_time_missing(turn, plan, late):
        return
    gravity = (PODS_FAILING, PREFLIGHT_UNAVAILABLE, PODS_NOT_STARTED)
    reason, pool, why = min((_late(turn, plan, child) for child in late), key=lambda told: gravity.index(told[0]))
    if reason == PODS_FAILING:
        fail_candidate(turn, rollout, pool, why)
    else:
        inconclusive(turn, rollout, reason, pool, why)


def _late(turn: Turn, plan: PreflightPlan, child: Child) -> tuple[str, str, str]:
    """Reason, pool, and why."""
    limit, reading = duration_text(plan.timeout), reading_of(turn, child)
    running = _running(turn, child)
    first = next((one.pod for one in plan.first_pods if one.pool == child.pool), "")
    if first and (not running or (running[0].name != first and running[0].unready_for(turn.now) < plan.timeout)):
        why = f"its pods end before, and others take their place{said_of_ended(state_of(turn.seen, child), turn.now)}"
        return PREFLIGHT_UNAVAILABLE, child.pool, f"no result of its preflight within {limit}: {why}"
    if not running:
        why = blocked(turn, child) or "the cluster has not created it"
        return PODS_NOT_STARTED, child.pool, f"the preflight's pod could not start within {limit}: {why}"
    silent = reading is None or reading.reason == NO_ANSWER
    if silent and not running[0].ready:
        return PODS_FAILING, child.pool, f"pod {running[0].name}, its preflight's, was not ready within {limit}"
    said = reading.message if reading else "it was not asked"
    return PREFLIGHT_UNAVAILABLE, child.pool, f"no result of its preflight within {limit}: {said}"


def _first_time_missing(turn: Turn, plan: PreflightPlan, late: list[Child]) -> bool:
    """An operator that was killed between status and children, and away for long, must not blame the cluster."""
    untold = any(state_of(turn.seen, child) is None and not blocked(turn, child) for child in late)
    if plan.missed or not untold:
        return False
    plan.missed, plan.clock = True, Clock(since=turn.now)
    turn.moved = True
    return True


def resume_when_answered(turn: Turn) -> None:
    """What held only because a preflight gave no result goes on when it has given one."""
    rollout = turn.status.rollout
    if rollout is None or rollout.hold is None or rollout.hold.reason != PREFLIGHT_UNAVAILABLE or turn.paused:
        return
    if awaited(turn.status):
        return
    end_hold(turn, rollout, Trigger.PREFLIGHT_ANSWERED)
    turn.note("PreflightAnswered", f"The preflight of release {rollout.release} has given its results after all.")


def let_through(turn: Turn) -> None:
    """Every pool has passed and none differs: from now on there may be traffic."""
    rollout = turn.status.rollout
    plan = pending(rollout)
    if rollout is None or plan is None or turn.paused or turn.status.stage not in STARTED or awaited(turn.status):
        return
    if _wrong(turn, rollout):
        return
    plan.passed_at = turn.now
    turn.moved, rollout.failure, rollout.hold = True, None, None
    if turn.status.stage is Stage.ESTABLISHING:
        rollout.weight, rollout.step = 100, len(turn.wish.spec.strategy.steps) if turn.wish else 0
    pools = ", ".join(moving(rollout))
    turn.note("PreflightPassed", f"The preflight of release {rollout.release} passed in pool {pools}{_beside(turn)}.")


def _beside(turn: Turn) -> str:
    """What it could be compared with."""
    stable = turn.status.stable
    known = [
        one.pool for one in results(turn) if turn.status.preflight(one.pool, revision_in(stable, one.pool)) is not None
    ]
    said = f"; compared with stable's in pool {', '.join(known)}" if known else ""
    return said or ("; stable has no preflight's result to compare with" if stable else "")


def forget_results(turn: Turn) -> None:
    """Keep those of releases that may serve or come back."""
    status = turn.status
    releases = (status.stable, status.candidate, status.verified, status.previous)
    kept = {(item.name, item.revision) for release in releases if release for item in release.pools}
    found = [one for one in status.preflights if (one.pool, one.revision) in kept]
    status.preflights = found[-limits.PREFLIGHTS :]
