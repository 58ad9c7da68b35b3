"""A check that fails in the bake: back to the last verified release, else to the one that was replaced (R20)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain.decision.changes import changes, template_of
from sampler_rollouts.domain.decision.faults import note_fault
from sampler_rollouts.domain.decision.leave import roll_back, set_aside, withdraw
from sampler_rollouts.domain.decision.one_pool import may_be, without_pool
from sampler_rollouts.domain.decision.question import alone, bake_beside, watched
from sampler_rollouts.domain.decision.sentence import failed_check
from sampler_rollouts.domain.decision.stages import TESTED
from sampler_rollouts.domain.decision.transitions import Trigger
from sampler_rollouts.domain.decision.verdicts import CHECK_FAILED, looks_of_stable
from sampler_rollouts.domain.evidence.look import Verdict
from sampler_rollouts.domain.loose import Clock
from sampler_rollouts.domain.plan import Bake, FailedInBake, Rollout
from sampler_rollouts.domain.quantities import seconds
from sampler_rollouts.domain.render import Child
from sampler_rollouts.domain.status import Requests

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.plan import Release

ALONE: Final = "in its bake time, where no stable serves beside it: an outage of what it depends on looks the same"
USUAL_PROGRESS_DEADLINE: Final = 600


def abort_while_baking(turn: Turn) -> None:
    """``Failed`` in any pool takes the release back, as it is scoped; without another to go back to it is not well.

    A candidate that has traffic leaves first, by itself: only then it is known which pods serve in its place.
    """
    status = turn.status
    bake, stable = watched(status) or bake_beside(status), status.stable
    if bake is None or stable is None:
        return
    found = bake.failed or _failed(turn)
    if found is None:
        return
    target = None if bake.test else _target(turn, stable, [found.pool])
    if target is None:
        bake.failed = None
        note_fault(turn, CHECK_FAILED, found.pool, found.check, found.message)
    elif alone(status):
        back = _in_scope(turn, bake, stable, target, found.pool)
        go_back(turn, bake, back)
        if back is not target:
            status.previous = target  # what fails in another pool goes back there too
        roll_back(turn, Trigger.CHECK_FAILED, CHECK_FAILED, found.pool, f"{found.message}, {ALONE}")
    else:
        bake.failed = found
        if status.stage in TESTED:
            withdraw(turn, Trigger.STABLE_FAILED)


def _failed(turn: Turn) -> FailedInBake | None:
    look = next((one for one in looks_of_stable(turn) if one.verdict is Verdict.FAILED), None)
    return FailedInBake(pool=look.pool, check=look.check, message=failed_check(look)) if look else None


def _target(turn: Turn, stable: Release, pools: Sequence[str]) -> Release | None:
    """The release to go back to: the first that differs in some of these pools."""
    return next((one for one in _others(turn) if any(_differs(one, stable, pool) for pool in pools)), None)


def _in_scope(turn: Turn, bake: Bake, stable: Release, target: Release, pool: str) -> Release:
    """The target, or stable with the pool that failed as the target has it, if that is what its scope says."""
    alike = stable.routes == target.routes and target.revision(pool) != ""
    if bake.scope != "Pool" or not alike:
        return target
    mixed = without_pool(turn, stable, pool, target)
    return mixed if mixed.hash != target.hash and may_be(turn, mixed, stable) else target


def _others(turn: Turn) -> Iterator[Release]:
    """Where a release may go back to, the verified one first: what is not held, and known to the last template."""
    status = turn.status
    for release in (status.verified, status.previous):
        if release is not None and not status.held(release.hash) and _known(turn, release):
            yield release


def _differs(one: Release, stable: Release, pool: str) -> bool:
    """Whether a pool has other pods there, or its requests by another table."""
    return one.revision(pool) != stable.revision(pool) or one.routes != stable.routes


def target_for(turn: Turn) -> Release | None:
    """The release to go back to where a person asks for it: one that differs in any pool."""
    stable = turn.status.stable
    return _target(turn, stable, stable.names()) if stable else None


def _known(turn: Turn, release: Release) -> bool:
    return all(template_of(turn, Child(item.name, item.revision)) is not None for item in release.pools)


def go_back(turn: Turn, bake: Bake, target: Release) -> None:
    """The target is stable again, and what serves a candidate that leaves: one decision for all pools (R18, R19)."""
    status, leaving, watch = turn.status, turn.status.stable, bake.watch or bake.test
    if leaving is None or watch is None:
        return
    set_aside(turn, leaving)
    still_there = _on_the_way_out(status.rollout, target)
    moved = [name for name in leaving.names() if leaving.revision(name) != target.revision(name)]
    status.candidate, status.stable = leaving, target.model_copy(update={"since": turn.now})
    status.rollout = Rollout(
        release=leaving.hash,
        started_at=leaving.since,
        ready_at=leaving.since,
        quality=watch,
        waves=[moved] if moved else [],
        progress_deadline=_progress_deadline(turn),
        bake_time=bake.seconds,
        scope=bake.scope,
        weight=100,
        born=[group for group in bake.born if group.pool in moved or not moved],
        changes=changes(turn, target, leaving),
        clock=Clock(since=turn.now),
        leftovers=still_there,
    )
    status.previous = turn.beside = None  # what was asked is about the one that leaves
    known = status.verified is not None and status.verified.hash == target.hash
    # What comes back without a gate is watched like any other once it is there.
    again = Bake(release=target.hash, clock=Clock(since=turn.now), seconds=bake.seconds, scope=bake.scope, watch=watch)
    status.bake = None if known else again
    _count_all(turn, moved or leaving.names())


def _on_the_way_out(rollout: Rollout | None, target: Release) -> list[Release]:
    """What a candidate that is set aside has left in pools from which it was taken back alone: it may still serve."""
    found = rollout.leftovers if rollout and not rollout.first else []
    left = [(one, [item for item in one.pools if target.revision(item.name) != item.revision]) for one in found]
    return [one.model_copy(update={"pools": pools}) for one, pools in left if pools]


def _progress_deadline(turn: Turn) -> int:
    return seconds(turn.wish.spec.strategy.progress_deadline) if turn.wish else USUAL_PROGRESS_DEADLINE


def _count_all(turn: Turn, pools: list[str]) -> None:
    """Every pod of these pools may have to stay until the target's are ready, and every request was its own."""
    for name in pools:
        row, traffic = turn.pool(name), turn.evidence.traffic.get(name) if turn.evidence else None
        row.candidate_replicas = turn.replicas(name)
        row.requests = Requests(exposed=traffic.candidate, total=traffic.candidate) if traffic else None
