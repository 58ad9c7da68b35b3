"""``rollback.scope: Pool``: a failure in one pool takes the release back from there, and it goes on in the others.

It is held all the same (R6): what is asked for does not serve everywhere. What comes of it has a hash of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampler_rollouts.domain.decision.changes import changes, class_names
from sampler_rollouts.domain.decision.context import moving, struck, this_wave, untried, weight_of
from sampler_rollouts.domain.decision.faults import known_fault
from sampler_rollouts.domain.decision.leave import hold, in_one, record, roll_back
from sampler_rollouts.domain.decision.memory import clear_pools, use_word
from sampler_rollouts.domain.decision.replicas import unserved, wanted
from sampler_rollouts.domain.decision.sentence import ending
from sampler_rollouts.domain.decision.stages import TESTED
from sampler_rollouts.domain.decision.transitions import Trigger, move
from sampler_rollouts.domain.limits import clip
from sampler_rollouts.domain.plan import Release
from sampler_rollouts.domain.render import Child
from sampler_rollouts.domain.status import Result
from sampler_rollouts.domain.tables import hash_of_release

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.plan import ReleasePool, Rollout


def take_back(turn: Turn, trigger: Trigger, reason: str, pool: str, why: str) -> None:
    """Take the candidate back as far as its scope says: from the pool that failed, if it can go on without it."""
    rest = _rest(turn, pool)
    if rest is not None:
        _take_from(turn, rest, reason, pool, why)
    else:
        roll_back(turn, trigger, reason, pool, why)


def _rest(turn: Turn, pool: str) -> Release | None:
    """What is left of the candidate without a pool; None if it is not to go on.

    So it is where stable has no such pool, where no other pool moves, where a route table follows that names both, and
    where what would come of it may not serve.
    """
    status, rollout = turn.status, turn.status.rollout
    stable, candidate = status.stable, status.candidate
    if rollout is None or rollout.scope != "Pool" or status.stage not in TESTED or rollout.table is not None:
        return None
    if stable is None or candidate is None or stable.revision(pool) == "":
        return None
    pools = moving(rollout)
    if pool not in pools or len(pools) == 1:
        return None
    rest = without_pool(turn, candidate, pool, stable)
    return rest if may_be(turn, rest, candidate) else None


def may_be(turn: Turn, mixed: Release, whole: Release) -> bool:
    """Whether nobody has rejected it (R6), and each class that the whole release has servers for has some (R18)."""
    served, needed = ({*class_names(turn, _children(release))} for release in (mixed, whole))
    return turn.status.held(mixed.hash) is None and needed <= served


def _children(release: Release) -> list[Child]:
    return [Child(item.name, item.revision) for item in release.pools]


def without_pool(turn: Turn, release: Release, pool: str, other: Release) -> Release:
    """``release`` with a pool as ``other`` has it, under the hash that such a release has."""
    mixed = release.with_pools(in_one(other, pool).pools)
    mixed.hash = hash_of_release(mixed)
    mixed.fault = known_fault(turn.status, mixed)
    return mixed


def _take_from(turn: Turn, rest: Release, reason: str, pool: str, why: str) -> None:
    status, rollout = turn.status, turn.status.rollout
    candidate, stable = status.candidate, status.stable
    if rollout is None or candidate is None or stable is None:
        return
    # All that is said and counted is of the one pool.
    differs = changes(turn, in_one(stable, pool), in_one(candidate, pool))
    update = {"waves": [[pool]], "wave": 0, "weight": weight_of(rollout, pool), "changes": differs}
    part = rollout.model_copy(update=update)
    others = ", ".join(name for name in moving(rollout) if name != pool)
    sentence = clip(f"{ending(turn, part, 'Rolled back', pool, why)} It goes on in pool {others}.")
    before = status.held(candidate.hash)
    told = clip(f"{before.message} {sentence}") if before else sentence
    hold(turn, rollout, reason, pool, told)
    record(turn, part, Result.ROLLED_BACK, reason, sentence)
    turn.note("RolledBack", sentence, warning=True)
    _leave(rollout, next(item for item in candidate.pools if item.name == pool))
    # Its name stays while it is under way: by that people speak of it, and the spec asks for it.
    status.candidate = rest.model_copy(update={"hash": candidate.hash})
    rollout.changes = changes(turn, stable, status.candidate)
    turn.pool(pool).forget_readiness()
    _strike(turn, rollout, pool)
    if untried(rollout):
        clear_pools(turn)  # what was found is about the candidate; what serves alone is looked at from now on
    if rollout.hold is not None:
        rollout.hold = None
        use_word(turn)  # what was said to end this hold must end no later pause
    move(turn, Trigger.POOL_TAKEN_BACK)


def _leave(rollout: Rollout, item: ReleasePool) -> None:
    """Its pods there are on their way out from now on."""
    gone = item.model_copy(update={"image": ""})
    if not rollout.leftovers:
        rollout.leftovers = [Release(hash=rollout.release, since=rollout.started_at)]
    first = rollout.leftovers[0]
    first.pools = [*first.pools, gone]


def _strike(turn: Turn, rollout: Rollout, pool: str) -> None:
    """Out of the waves. If it was the last pool of the one under way, that one is over."""
    alone = this_wave(rollout) == [pool]
    waves = [[name for name in wave if name != pool] for wave in rollout.waves]
    before = sum(not wave for wave in waves[: rollout.wave])
    rollout.waves = [wave for wave in waves if wave]
    rollout.wave -= before
    rollout.quality.unaudited = [name for name in rollout.quality.unaudited if name != pool]
    if not alone:
        return
    rollout.step_clock, rollout.min_duration, rollout.waiting, rollout.pauses = None, 0, False, 0
    if rollout.wave < len(rollout.waves):
        rollout.step, rollout.weight = -1, 0
    else:
        rollout.wave -= 1
        rollout.step, rollout.weight = len(turn.wish.spec.strategy.steps) if turn.wish else rollout.step, 100


def finish_taking_back(turn: Turn) -> None:
    """Once no pod of it serves any more in a pool that it leaves alone, stable is alone there again."""
    status, rollout = turn.status, turn.status.rollout
    if rollout is None or status.stage not in TESTED or not struck(rollout):
        return
    plan = wanted(turn)
    gone = [child.pool for child in struck(rollout) if child not in plan and not turn.pods(child.pool, child.revision)]
    for pool in gone:
        turn.pool(pool).forget_verdict()
        out = f"Release {rollout.release} is out of pool {pool}"
        if unserved(turn, [pool]):
            turn.note("StableNotReady", f"{out}; no pod of stable is ready there yet.", warning=True)
        else:
            turn.note("RollbackComplete", f"{out}; stable serves there.")
        turn.moved = True
    for release in rollout.leftovers:
        release.pools = [item for item in release.pools if item.name not in gone]
    rollout.leftovers = [release for release in rollout.leftovers if release.pools]


def taken_back(turn: Turn) -> str:
    """What of the release is still on its way out, in words: nothing goes on before."""
    rollout = turn.status.rollout
    if rollout is None or not struck(rollout):
        return ""
    pools = ", ".join(child.pool for child in struck(rollout))
    return f"its pods to leave pool {pools}, which goes back to stable"
