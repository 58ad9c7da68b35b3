"""Which release to go for: R5 and R6."""

from __future__ import annotations

from collections.abc import Iterable

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.decision.acts import promoted, take_retry
from sampler_rollouts.domain.decision.adopt import starts_anew
from sampler_rollouts.domain.decision.away import asks_for_news, stable_away, well_without
from sampler_rollouts.domain.decision.changes import changes
from sampler_rollouts.domain.decision.context import Turn, Wish, narrowed
from sampler_rollouts.domain.decision.faults import as_candidate, retry_faults
from sampler_rollouts.domain.decision.leave import leave_behind, record, withdraw
from sampler_rollouts.domain.decision.memory import clear_pools, let_go_on, restart_readiness, use_word
from sampler_rollouts.domain.decision.preflight import begin, plan_of, restart
from sampler_rollouts.domain.decision.quality import quality_plan
from sampler_rollouts.domain.decision.question import watched_since
from sampler_rollouts.domain.decision.remains import pods_not_gone
from sampler_rollouts.domain.decision.stages import BY_STEPS, LEAVING
from sampler_rollouts.domain.decision.suspects import clear_suspects, note_suspects, stopped
from sampler_rollouts.domain.decision.table import begin_table, move_of
from sampler_rollouts.domain.decision.transitions import Trigger, move
from sampler_rollouts.domain.loose import Clock
from sampler_rollouts.domain.plan import Fault, Release, Rollout
from sampler_rollouts.domain.quantities import seconds
from sampler_rollouts.domain.status import Result, Stage
from sampler_rollouts.domain.tables import hash_of_release


def choose(turn: Turn) -> None:
    """Start, replace or take back a rollout when the spec asks for another release."""
    if turn.wish is None:
        return
    retry = _see_retry(turn, turn.wish)
    stage = turn.status.stage
    if stage is Stage.IDLE and starts_anew(turn):
        note_suspects(turn)
        if not stopped(turn):
            _start_without_gate(turn, turn.wish, Trigger.FIRST_RELEASE, "it is the first release")
    elif stage is Stage.ESTABLISHING and _asks_for_other(turn):
        # What was rejected stays so, also where another release comes in place of a stable that does not come up (R6).
        if not turn.status.held(turn.target):
            _replace_first(turn, turn.wish)
    elif stage is Stage.ESTABLISHING and retry:
        _retry_first(turn)
    elif stage is Stage.SERVING:
        _start_next(turn, turn.wish)
    elif stage in BY_STEPS and _asks_for_other(turn) and not _takes_its_name(turn):
        withdraw(turn, Trigger.OTHER_RELEASE)
    elif stage is Stage.HOLDING and retry:
        withdraw(turn, Trigger.RETRY)
    elif stage in LEAVING and stable_away(turn):
        _replace_stable(turn, turn.wish)
    elif stage in LEAVING and pods_not_gone(turn) and _is_news(turn):
        leave_behind(turn)


def _is_news(turn: Turn) -> bool:
    """Whether a release is asked for that is neither stable, nor held, nor the one that leaves."""
    status = turn.status
    known = {release.hash for release in (status.stable, status.candidate) if release}
    return turn.target not in known and not status.held(turn.target) and not turn.paused


def _asks_for_other(turn: Turn) -> bool:
    return turn.status.candidate is not None and turn.status.candidate.hash != turn.target


def _takes_its_name(turn: Turn) -> bool:
    """Whether the spec asks for what has become of the candidate: without the pools that it was taken back from."""
    status, rollout = turn.status, turn.status.rollout
    if status.candidate is None or rollout is None or not narrowed(status):
        return False
    if hash_of_release(status.candidate) != turn.target:
        return False
    status.candidate.hash = rollout.release = turn.target
    turn.moved = True
    return True


def _see_retry(turn: Turn, wish: Wish) -> bool:
    """Whether ``retryGeneration`` rose, or a person said so; then the release that the spec asks for is no longer held.

    What is asked during a rollback is heard after it, or when it cannot end; where a single pool was taken back, after
    the other ones have got through.
    """
    if turn.status.stage is Stage.ROLLING_BACK and not stable_away(turn):
        return False
    if turn.status.stage is Stage.PROGRESSING and narrowed(turn.status):
        return False
    before, now = turn.status.retry_generation, wish.spec.retry_generation
    turn.status.retry_generation = now
    rose = (now > before and turn.status.observed_generation > 0) | take_retry(turn)
    if rose:
        turn.status.failed = [item for item in turn.status.failed if item.hash != turn.target]
        turn.looked = True
        retry_faults(turn)
        clear_suspects(turn)
    return rose


def _start_without_gate(
    turn: Turn, wish: Wish, trigger: Trigger, why: str, leftovers: Iterable[Release] = (), instead_of: str = ""
) -> None:
    """R10: nothing to compare with. What serves of others, whose place it takes, stays until it need not."""
    if turn.paused:
        return
    status = turn.status
    pools = [pool.name for pool in wish.spec.pools]
    status.candidate = as_candidate(turn, wish)
    status.rollout = _plan(turn, wish, [pools], weight=100)
    status.rollout.first, status.rollout.instead_of = True, instead_of
    status.rollout.leftovers = _that_may_serve(turn, wish.release, leftovers)
    begin(turn)
    clear_pools(turn)
    turn.note("Establishing", f"Starting release {wish.release.hash} at full traffic, without steps: {why}.")
    move(turn, trigger)


def _that_may_serve(turn: Turn, new: Release, releases: Iterable[Release]) -> list[Release]:
    """Each other release once, by its revisions; if too many, rather those of which something serves already."""
    others = {release.hash: _without_images(release) for release in releases if release.hash != new.hash}
    serves = {one.hash: any(turn.ready(item.name, item.revision) for item in one.pools) for one in others.values()}
    return sorted(others.values(), key=lambda one: serves[one.hash])[-limits.LEFTOVERS :]


def _without_images(release: Release) -> Release:
    return release.model_copy(update={"pools": [item.model_copy(update={"image": ""}) for item in release.pools]})


def _replace_first(turn: Turn, wish: Wish) -> None:
    """The first release did not come up, and another is asked for: what serves of the old stays until it need not."""
    old, rollout = turn.status.candidate, turn.status.rollout
    if turn.paused or rollout is None or old is None:
        return
    record(
        turn,
        rollout,
        Result.WITHDRAWN,
        "OtherRelease",
        f"Release {rollout.release} was replaced before it was established.",
    )
    why = f"release {rollout.release} was not established"
    _start_without_gate(turn, wish, Trigger.OTHER_RELEASE, why, [*rollout.leftovers, old], rollout.instead_of)


def _replace_stable(turn: Turn, wish: Wish) -> None:
    """A candidate that left cannot go, as stable does not come up: a fix is heard, and comes as a first release does.

    There is nothing well to compare it with or to go back to, and each step would prolong bad answers. Where stable
    serves well in other pools that is not so there, and a person has to say it for them.
    """
    status = turn.status
    old, candidate = status.stable, status.candidate
    if not asks_for_news(turn) or old is None or candidate is None or turn.paused:
        return
    if well_without(turn) and not turn.looked and not let_go_on(turn, turn.target):
        return
    use_word(turn)
    why = f"stable release {old.hash} does not come up; what serves of release {candidate.hash} stays until it need not"
    differs = changes(turn, old, wish.release)
    tried = _as_it_was(candidate, status.rollout)
    _start_without_gate(turn, wish, Trigger.STABLE_AWAY, why, [old, tried], old.hash)
    status.stable = status.previous = status.bake = None
    if status.rollout:
        status.rollout.changes = differs
        promoted(turn, status.rollout)


def _as_it_was(candidate: Release, rollout: Rollout | None) -> Release:
    """With what leaves the pools that it was taken back from before: that may serve as well."""
    return candidate.with_pools(item for release in (rollout.leftovers if rollout else ()) for item in release.pools)


def _retry_first(turn: Turn) -> None:
    """Its pods have their whole time before them again."""
    rollout = turn.status.rollout
    if rollout is None:
        return
    rollout.failure = rollout.hold = None
    _forget_exits(turn, rollout)
    restart_readiness(turn, rollout)
    restart(turn, rollout)
    turn.moved = True


def _forget_exits(turn: Turn, rollout: Rollout) -> None:
    """What the candidate's containers had exited before says nothing of this try: pods may have served for weeks."""
    candidate = turn.status.candidate
    revisions = {(item.name, item.revision) for item in candidate.pools} if candidate else set()
    exits = [pod.restarts for pod in turn.seen.pods if (pod.pool, pod.revision) in revisions]
    rollout.retried_at, rollout.exits = (turn.now, max(exits)) if any(exits) else (None, 0)


def _start_next(turn: Turn, wish: Wish) -> None:
    status, target = turn.status, turn.target
    nothing_new = status.stable is None or status.stable.hash == target or status.held(target)
    if nothing_new or turn.paused:
        return
    known = {release.hash for release in (status.verified, status.previous) if release}
    if target in known:
        _go(turn, wish, Trigger.KNOWN_RELEASE)
    else:
        _go(turn, wish, Trigger.NEW_RELEASE)


def _go(turn: Turn, wish: Wish, trigger: Trigger) -> None:
    status, known = turn.status, trigger is Trigger.KNOWN_RELEASE
    stable, evidence, since = status.stable, turn.evidence, watched_since(status)
    if stable is None:
        return
    # Only pools whose revision changed move (R5); a known release needs no waves either.
    new = wish.release
    changed = [[name for name in wave if new.revision(name) != stable.revision(name)] for wave in wish.spec.waves]
    waves = [wave for wave in changed if wave]
    if known and waves:
        waves = [[name for wave in waves for name in wave]]
    status.candidate = as_candidate(turn, wish)
    status.rollout = _plan(turn, wish, waves, weight=100 if known else 0)
    table = None if known else move_of(turn, wish, stable)
    if table is not None:
        moved = [name for wave in waves for name in wave]
        status.rollout.table = table
        status.rollout.quality = quality_plan(wish.spec, moved, wish.templates, by_table=table.pools)
    if known or not waves:
        status.rollout.preflight = None  # What served before needs no gate to come back (R20).
    status.rollout.changes = changes(turn, stable, wish.release)
    clear_pools(turn)
    use_word(turn)
    how = _known_before(status.candidate.fault) if known else _order(waves, stable, table=bool(status.rollout.table))
    if status.rollout.table and not waves:
        begin_table(turn, status.rollout)
    turn.note("RolloutStarted", f"Rolling out release {new.hash} {how}; {'; '.join(status.rollout.changes)}.")
    move(turn, trigger)
    if since is not None and watched_since(status) == since:
        turn.evidence = evidence  # it is about what serves, and the next question is the same


def _known_before(fault: Fault | None) -> str:
    said = f", but was not well ({fault.message.rstrip('.')})" if fault else ""
    return f"without steps: it has been stable before{said}"


def _order(waves: list[list[str]], stable: Release, *, table: bool) -> str:
    """Where it goes, wave by wave; a release that only removes pools goes nowhere."""
    order = ", then ".join([*(" and ".join(wave) for wave in waves), *(["the route table"] if table else [])])
    return f"to {order}, against stable {stable.hash}" if order else "at once: no pods change"


def _plan(turn: Turn, wish: Wish, waves: list[list[str]], weight: int) -> Rollout:
    """The rollout of the candidate that is set, as the spec has it now."""
    strategy = wish.spec.strategy
    made = Rollout(
        release=wish.release.hash,
        started_at=turn.now,
        quality=quality_plan(wish.spec, [name for wave in waves for name in wave], wish.templates),
        waves=waves,
        progress_deadline=seconds(strategy.progress_deadline),
        deadline=seconds(strategy.deadline),
        bake_time=seconds(strategy.bake_time),
        on_inconclusive=wish.spec.rollback.on_inconclusive,
        scope=wish.spec.rollback.scope,
        weight=weight,
        step=len(strategy.steps) if weight == 100 else -1,
        preflight=plan_of(wish.spec, turn.now),
        clock=Clock(since=turn.now),
    )
    _forget_exits(turn, made)
    return made
