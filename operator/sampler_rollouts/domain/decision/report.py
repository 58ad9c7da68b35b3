"""What status shows of each pool: weights, readiness, counts."""

from __future__ import annotations

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.decision.context import Turn, begun, names, revision_in, struck, weight_of
from sampler_rollouts.domain.decision.progress import position
from sampler_rollouts.domain.decision.replicas import observed_weight
from sampler_rollouts.domain.decision.stages import FORWARD, LEAVING, TESTED
from sampler_rollouts.domain.decision.warm import rows
from sampler_rollouts.domain.render import Child
from sampler_rollouts.domain.status import PoolStatus, Stage


def write_pools(turn: Turn, plan: dict[Child, int]) -> None:
    """Fill in every pool of the releases that have pods, in the spec's order, and drop those that are gone."""
    status = turn.status
    spec_order = [pool.name for pool in turn.wish.spec.pools] if turn.wish else []
    living = names(status.stable, status.candidate, *(status.rollout.leftovers if status.rollout else ()))
    order = [name for name in spec_order if name in living] + [name for name in living if name not in spec_order]
    warm = {child.pool: row for child, row in rows(turn, plan).items()}
    for name in order:
        _write_pool(turn, turn.pool(name), plan)
        turn.pool(name).warm = warm.get(name)
    kept = order or [pool.name for pool in status.pools]
    status.pools = [turn.pool(name) for name in kept][: 2 * limits.POOLS]
    status.progress = _progress(turn)


def _write_pool(turn: Turn, pool: PoolStatus, plan: dict[Child, int]) -> None:
    status, rollout = turn.status, turn.status.rollout
    new, old = revision_in(status.candidate, pool.name), revision_in(status.stable, pool.name)
    under_way = rollout is not None and status.stage in FORWARD | LEAVING
    moves = under_way and rollout is not None and pool.name in begun(rollout)
    leaves = next((child.revision for child in struck(rollout) if child.pool == pool.name), "") if rollout else ""
    pool.max_unavailable = _budget(turn, pool)
    # The candidate's until it has gone: verdict and weights of this row are about it.
    pool.revision = leaves or (new if moves else old or new)
    pool.ready = sum(turn.ready(pool.name, child.revision) for child in plan if child.pool == pool.name)
    pool.stable_replicas = plan.get(Child(pool.name, old), 0)
    pool.candidate_replicas = plan.get(Child(pool.name, leaves or new), 0) if leaves or (moves and new != old) else 0
    if leaves:
        here, there = (turn.ready(pool.name, revision) for revision in (leaves, old))
        pool.weight, pool.observed_weight = 0, round(100 * here / (here + there)) if here else 0
    elif rollout is not None and moves:
        pool.weight = weight_of(rollout, pool.name) if status.stage in FORWARD else 0
        pool.observed_weight = observed_weight(turn, pool.name)
    else:
        # No candidate here: the whole pool serves one revision, or waits for its wave.
        waits = under_way and new not in ("", old)
        pool.weight = 0 if waits else 100
        pool.observed_weight = 0 if waits or not turn.ready(pool.name, pool.revision) else 100


def _budget(turn: Turn, pool: PoolStatus) -> int:
    """As the spec says, or last said of a pool that it does not have any more."""
    wanted = turn.wish.spec.pool(pool.name) if turn.wish else None
    if wanted is None:
        return pool.max_unavailable
    return wanted.disruption_budget.max_unavailable if wanted.disruption_budget else 0


def _progress(turn: Turn) -> str:
    rollout, stage = turn.status.rollout, turn.status.stage
    if rollout and stage in TESTED:
        where = position(turn, rollout)
        return f"{where}, holding" if stage is Stage.HOLDING else f"{where}, waiting" if rollout.waiting else where
    return stage.value
