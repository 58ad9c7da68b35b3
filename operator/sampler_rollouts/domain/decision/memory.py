"""Before any policy: repair what status says, note which pods were born, and let the clocks run or stop."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.births import Birth
from sampler_rollouts.domain.decision.baking import UNSEEN, is_due
from sampler_rollouts.domain.decision.context import (
    Turn,
    begun,
    moving,
    revision_in,
    struck,
    table_wave,
    tested_pools,
    this_wave,
    untried,
)
from sampler_rollouts.domain.decision.question import alone, release_under_test
from sampler_rollouts.domain.decision.replicas import candidate_wanted
from sampler_rollouts.domain.decision.share import in_force
from sampler_rollouts.domain.decision.stages import BY_STEPS, FORWARD, LEAVING
from sampler_rollouts.domain.decision.table import table_in_force
from sampler_rollouts.domain.loose import Clock
from sampler_rollouts.domain.observation import REFUSED
from sampler_rollouts.domain.plan import Release, Rollout
from sampler_rollouts.domain.resource import PROMOTE_ANNOTATION
from sampler_rollouts.domain.status import Requests, Stage

if TYPE_CHECKING:
    from sampler_rollouts.domain.act import Act
    from sampler_rollouts.domain.observation import PodState
    from sampler_rollouts.domain.status import PoolStatus, Status

LONGEST_WORD: Final = 253
MISSING: Final = "its Deployment does not exist or is not as wanted"
MOVING_STAGES: Final = BY_STEPS | LEAVING


def repair(status: Status) -> None:
    """Make a status that a stranger has edited consistent: what stable is, is never forgotten."""
    rollout = status.rollout
    complete = rollout is not None and status.candidate is not None and status.candidate.hash == rollout.release
    if status.stage in MOVING_STAGES and not (complete and status.stable):
        status.stage = Stage.SERVING
    if status.stage is Stage.ESTABLISHING and (not complete or status.stable):
        status.stage = Stage.SERVING
    if status.stage is Stage.IDLE and status.stable:
        status.stage = Stage.SERVING
    if status.stage is Stage.SERVING:
        _repair_serving(status)
    if status.stage is Stage.IDLE:
        status.candidate = status.rollout = status.bake = None


def _repair_serving(status: Status) -> None:
    status.candidate = None
    if status.stable is None:
        status.stage = Stage.IDLE
    elif status.rollout and not (status.rollout.first and status.rollout.release == status.stable.hash):
        status.rollout = None


def clear_pools(turn: Turn) -> None:
    """What was known of the last release under test says nothing about this one."""
    turn.forget_evidence()
    for pool in turn.status.pools:
        pool.forget_verdict()
        pool.forget_readiness()
        pool.requests, pool.candidate_replicas = None, 0


def word(turn: Turn) -> str:
    """The promote annotation's value."""
    return turn.meta.annotations.get(PROMOTE_ANNOTATION, "")[:LONGEST_WORD]


def let_go_on(turn: Turn, release: str) -> bool:
    """Whether a person says ``<release>`` or ``<release>:<anything>``; a value counts once."""
    value = word(turn)
    return value.partition(":")[0] == release and value != turn.status.promoted_by


def word_for(turn: Turn, release: str, place: str) -> str:
    """The annotation to set, for the message that people read: a value that counts, whatever was used last."""
    used, value = turn.status.promoted_by, release
    if used.partition(":")[0] == release:
        value = f"{release}:{place}"
    return f"{PROMOTE_ANNOTATION}={value}" + ("-again" if value == used else "")


def spoken(said: Act) -> str:
    """Who said it and why, marked as what it is."""
    return f" (self-reported: {said.said})" if said.said else ""


def use_word(turn: Turn) -> None:
    """A value counts once, and only if it was set after the rollout started: a person has seen what it is for."""
    turn.status.promoted_by = word(turn)


def remember(turn: Turn) -> None:
    """Births, traffic, and what keeps pods from starting."""
    status, rollout = turn.status, turn.status.rollout
    release = status.candidate or release_under_test(status)
    if rollout and release:
        _note_births(turn, rollout, release)
    _note_traffic(turn)
    _run_clocks(turn)


def _note_births(turn: Turn, rollout: Rollout, release: Release) -> None:
    """A pod that is first seen on its way out is none of this rollout's: an earlier try of the same release left it.

    One that is older than the rollout counts, but not from zero: its birth tells the evidence.
    """
    known = {birth.pod: birth for birth in rollout.births}
    asked = {name: release.revision(name) for name in (*moving(rollout), *tested_pools(rollout))}
    for pod in turn.seen.pods:
        ours = pod.revision and asked.get(pod.pool) == pod.revision
        if ours and pod.name not in known and not pod.terminating:
            known[pod.name] = Birth(pod=pod.name, pool=pod.pool, at=min(pod.created_at, turn.now))
    serving = {pod.name for pod in turn.seen.pods if pod.ready and not pod.terminating}
    for birth in known.values():
        birth.serving = birth.pod in serving
    rollout.births = list(known.values())
    moved = moving(rollout)
    if rollout.ready_at is None and any(birth.serving and birth.pool in moved for birth in known.values()):
        rollout.ready_at = turn.now


def _note_traffic(turn: Turn) -> None:
    """Keep the last known counts: a rollback during an outage still says who was exposed."""
    if turn.status.rollout is None or untried(turn.status.rollout):
        return  # what was counted is what stable answered, alone
    for pool, traffic in turn.evidence.traffic.items() if turn.evidence else ():
        found = turn.status.pool(pool)
        if found is not None:
            candidate, stable = max(0, traffic.candidate), max(0, traffic.stable)
            found.requests = Requests(exposed=candidate, total=candidate + stable)


def _run_clocks(turn: Turn) -> None:
    rollout = turn.status.rollout
    running = clocks_run(turn)
    if rollout and turn.status.stage in FORWARD:
        _run_rollout_clock(turn, rollout, running)
        _run_step_clock(turn, rollout, running)
    for name in _watched(turn):
        _run_unready(turn, name, running or not _candidates_count(turn))
        if rollout and turn.status.stage in LEAVING and unready_for(turn.pool(name), turn) >= rollout.progress_deadline:
            first_time_missing(turn, name)
    for pool in turn.status.pools:
        if pool.name not in _watched(turn):
            pool.forget_readiness()


def _run_rollout_clock(turn: Turn, rollout: Rollout, running: bool) -> None:
    """What an operator that was away could not decide is no fault of the release: that time does not count."""
    rollout.clock.stand_since(rollout.seen_at, turn.now, UNSEEN)
    rollout.clock.run(running, turn.now)
    if running and is_due(rollout.seen_at, turn.now, UNSEEN, 0.0):
        rollout.seen_at = turn.now


def restart_readiness(turn: Turn, rollout: Rollout) -> None:
    """The pods that have begun have their whole time before them again."""
    for name in begun(rollout):
        turn.pool(name).unready = turn.pool(name).replacing = None
    if rollout.preflight:
        rollout.preflight.clock = Clock(since=turn.now)


def clocks_run(turn: Turn) -> bool:
    """Whether the clocks of steps and deadlines run: not while a person holds the rollout, or it holds itself."""
    rollout = turn.status.rollout
    return not turn.paused and turn.status.stage is not Stage.HOLDING and not (rollout and rollout.waiting)


def _run_step_clock(turn: Turn, rollout: Rollout, running: bool) -> None:
    """A step's time counts while its weight is in force."""
    seen = table_in_force(turn, rollout) if table_wave(rollout) else None
    counts = running and (all(in_force(turn, pool) for pool in this_wave(rollout)) if seen is None else seen)
    if rollout.step_clock is None and counts:
        rollout.step_clock = Clock(since=turn.now)
    elif rollout.step_clock is not None:
        rollout.step_clock.run(counts, turn.now)


def _watched(turn: Turn) -> list[str]:
    """Pools whose readiness is watched now: the candidate's where it has begun, otherwise stable's.

    Where it was taken back from one pool, stable's there too: nothing goes on before they are ready.
    """
    status, rollout = turn.status, turn.status.rollout
    if rollout and _candidates_count(turn):
        return list(dict.fromkeys([*begun(rollout), *(child.pool for child in struck(rollout))]))
    return status.stable.names() if status.stable else []


def _candidates_count(turn: Turn) -> bool:
    """Whether it is the candidate's pods whose readiness counts.

    Not before its first weight, nor when it leaves, nor where its route table alone is another one.
    """
    rollout = turn.status.rollout
    moves = rollout is not None and bool(begun(rollout))
    return moves and turn.status.stage in FORWARD and not alone(turn.status)


def _run_unready(turn: Turn, name: str, running: bool) -> None:
    pool, pods = turn.pool(name), watched_pods(turn, name)
    blocked = limits.clip(_blocked(turn, name, pods), limits.SENTENCE)
    # A pod that has gone before it could start has not started.
    by_cluster = pool.blocked == MISSING or pool.blocked.startswith(REFUSED)
    started = bool(pool.blocked) and not blocked and (by_cluster or any(not pod.ready for pod in pods))
    pool.blocked = blocked
    _run_replacing(turn, pool, pods, running)
    if sum(pod.ready for pod in pods) >= expected(turn, name):
        pool.unready = pool.replacing = None
    elif pool.unready is None or started:
        # Pods that could not start until now have their whole time before them.
        pool.unready = Clock(since=turn.now, stopped_at=None if running else turn.now)
    else:
        pool.unready.run(running, turn.now)


def _run_replacing(turn: Turn, pool: PoolStatus, pods: list[PodState], running: bool) -> None:
    """Time in which pods ran, and none became ready. Each of them may be young: whoever ends first is never late."""
    if pool.replacing is not None and _came_up(turn, pods) > pool.replacing.since:
        pool.replacing = None
    starting = any(not (pod.ready or pod.blocked) for pod in pods)
    if pool.replacing is not None:
        pool.replacing.run(running and starting, turn.now)
    elif starting:
        pool.replacing = Clock(since=turn.now, stopped_at=None if running else turn.now)


def _came_up(turn: Turn, pods: list[PodState]) -> datetime:
    """When the last of the pods that are ready became so; just now, where that is not known."""
    return max((pod.ready_since or turn.now for pod in pods if pod.ready), default=datetime.min.replace(tzinfo=UTC))


def watched_pods(turn: Turn, name: str) -> list[PodState]:
    """The pods whose readiness counts now."""
    return turn.pods(name, _watched_revision(turn, name))


def _watched_revision(turn: Turn, name: str) -> str:
    return revision_in(turn.status.candidate if _candidates_count(turn) else turn.status.stable, name)


def expected(turn: Turn, name: str) -> int:
    """How many of them there are to be."""
    rollout = turn.status.rollout
    if rollout and _candidates_count(turn) and name in begun(rollout):
        return candidate_wanted(turn, rollout, name)
    return turn.replicas(name)


def _blocked(turn: Turn, name: str, pods: list[PodState]) -> str:
    workload = turn.workload(name, _watched_revision(turn, name))
    if turn.pool(name).blocked == MISSING and _untold(turn, name):
        return MISSING
    if workload is None:
        return ""
    if workload.refused:
        return f"{REFUSED}{workload.refused}"
    stuck = next((pod for pod in pods if pod.blocked and not pod.ready), None)
    return f"{stuck.blocked}: {stuck.message}".rstrip(": ") if stuck else ""


def first_time_missing(turn: Turn, name: str) -> bool:
    """Whether the time was up for a Deployment that is not there as wanted, and gets its time once more.

    An operator that was killed between status and children, and was away for long, must not blame the cluster for it.
    """
    pool = turn.pool(name)
    if pool.blocked == MISSING or not _untold(turn, name):
        return False
    pool.blocked, pool.unready = MISSING, Clock(since=turn.now)
    turn.moved = True
    return True


def _untold(turn: Turn, name: str) -> bool:
    """Whether the cluster does not know what is wanted: when a candidate leaves, stable's pods are to come back."""
    workload = turn.workload(name, _watched_revision(turn, name))
    return workload is None or (turn.status.stage in LEAVING and workload.replicas < turn.replicas(name))


def unready_for(pool: PoolStatus, turn: Turn) -> float:
    """Seconds for which wanted pods have been missing or not ready, or replaced before they were."""
    return max(pool.unready.elapsed(turn.now) if pool.unready else 0.0, replaced_for(pool, turn))


def replaced_for(pool: PoolStatus, turn: Turn) -> float:
    """Seconds for which pods have run and none has become ready: no pod may be so old."""
    return pool.replacing.elapsed(turn.now) if pool.replacing else 0.0
