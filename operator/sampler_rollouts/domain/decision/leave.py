"""Ends of a rollout: promotion, rollback (R18, R19), withdrawal (R5), and the retreat of the candidate's pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.decision.changes import suspects
from sampler_rollouts.domain.decision.context import (
    Turn,
    begun,
    born,
    exposing,
    gated,
    leaving,
    moving,
    narrowed,
    table_wave,
    untried,
    weight_of,
)
from sampler_rollouts.domain.decision.examined import PREFLIGHT_FAILED
from sampler_rollouts.domain.decision.faults import said_of_stable
from sampler_rollouts.domain.decision.gateway import lends
from sampler_rollouts.domain.decision.quality import quality_plan
from sampler_rollouts.domain.decision.removed import remember_removed
from sampler_rollouts.domain.decision.replicas import unserved, wanted
from sampler_rollouts.domain.decision.route_rules import fingerprinted
from sampler_rollouts.domain.decision.sentence import ending, exposure
from sampler_rollouts.domain.decision.stages import LEAVING
from sampler_rollouts.domain.decision.table import arms_leave
from sampler_rollouts.domain.decision.transitions import Trigger, move
from sampler_rollouts.domain.decision.verdicts import CHECK_FAILED
from sampler_rollouts.domain.ended import EndedPool
from sampler_rollouts.domain.loose import Clock, Failure
from sampler_rollouts.domain.plan import Bake, HeldRelease
from sampler_rollouts.domain.status import HistoryEntry, Result, Stage
from sampler_rollouts.domain.tables import hash_of_release

if TYPE_CHECKING:
    from sampler_rollouts.domain.plan import QualityPlan, Release, ReleasePool, Rollout
    from sampler_rollouts.domain.status import Requests

BY_QUALITY: Final = frozenset({CHECK_FAILED, PREFLIGHT_FAILED})
"""Why a release was rolled back, if the build is to be marked in other rollouts too (R23)."""


STABLE_TAKEN_BACK: Final = "StableTakenBack"
_WITHDRAWN_FOR: Final = {Trigger.OTHER_RELEASE: "OtherRelease", Trigger.STABLE_FAILED: STABLE_TAKEN_BACK}


def roll_back(turn: Turn, trigger: Trigger, reason: str, pool: str, why: str) -> None:
    """Take the candidate back from every pool it reached, and hold it (R6)."""
    status, rollout = turn.status, turn.status.rollout
    if rollout is None or status.candidate is None:
        return
    sentence = ending(turn, rollout, "Rolled back", pool, why)
    rollout.failure = Failure(reason=reason, message=sentence, at=turn.now)
    hold(turn, rollout, reason, pool, sentence)
    record(turn, rollout, Result.ROLLED_BACK, reason, sentence)
    turn.note("RolledBack", sentence, warning=True)
    _watch_stable(turn)
    move(turn, trigger)


def hold(turn: Turn, rollout: Rollout, reason: str, pool: str, message: str) -> None:
    """The release under way is not tried again by itself. What was suspect of it before stays so."""
    status, before = turn.status, turn.status.held(rollout.release)
    at_fault = reason in BY_QUALITY and not _by_table(rollout, pool)
    found = [*(_marks(turn, rollout, pool) if at_fault else []), *(before.suspects if before else [])]
    marks = list(dict.fromkeys(found))[: limits.SUSPECTS]
    held = HeldRelease(hash=rollout.release, at=turn.now, reason=reason, message=message, suspects=marks)
    status.failed = _bounded([held, *(item for item in status.failed if item.hash != held.hash)])


def _marks(turn: Turn, rollout: Rollout, pool: str) -> list[str]:
    """What the candidate has and stable has not; where single pools are taken back, of the one that failed."""
    old, new = turn.status.stable, turn.status.candidate
    if old is None or new is None:
        return []
    if pool and rollout.scope == "Pool":
        old, new = in_one(old, pool), in_one(new, pool)
    return suspects(turn, old, new)


def in_one(release: Release, pool: str) -> Release:
    """What of a release is of one pool."""
    return release.model_copy(update={"pools": [item for item in release.pools if item.name == pool]})


def _bounded(failed: list[HeldRelease]) -> list[HeldRelease]:
    """The newest, and what they had that is suspect, as far as status has room for it."""
    kept, room = [], limits.SUSPECTS_HELD
    for held in failed[: limits.HELD]:
        kept.append(held.model_copy(update={"suspects": held.suspects[:room]}))
        room -= len(kept[-1].suspects)
    return kept


def _by_table(rollout: Rollout, pool: str) -> bool:
    """Whether its route table failed, and no build: pods answer both tables' requests, but for pools that are new."""
    return rollout.table is not None and table_wave(rollout) and pool not in rollout.table.silent


def withdraw(turn: Turn, trigger: Trigger) -> None:
    """Take the candidate back because it is no longer asked for. It is not held."""
    rollout = turn.status.rollout
    if rollout is None:
        return
    sentence = ending(turn, rollout, "Withdrew", "", _why_withdrawn(turn, trigger))
    record(turn, rollout, Result.WITHDRAWN, _WITHDRAWN_FOR.get(trigger, "Retry"), sentence)
    turn.note("Withdrawn", sentence)
    _watch_stable(turn)
    move(turn, trigger)


def _why_withdrawn(turn: Turn, trigger: Trigger) -> str:
    stable = turn.status.stable
    if trigger is Trigger.STABLE_FAILED:
        return f"release {stable.hash if stable else ''}, beside which it was tried, has failed and is taken back"
    if trigger is Trigger.RETRY:
        return "it is to be tried again"
    going_to = "stable" if stable and turn.target == stable.hash else f"release {turn.target}"
    return f"the spec now asks for {going_to}"


def set_aside(turn: Turn, stable: Release) -> None:
    """A candidate that has no pod yet makes room for the rollback of what serves. It is not held: it may come again."""
    rollout = turn.status.rollout
    if rollout is None or turn.status.candidate is None:
        return
    why = f"release {stable.hash}, which it was to be compared with, is taken back"
    sentence = ending(turn, rollout, "Withdrew", "", why)
    record(turn, rollout, Result.WITHDRAWN, STABLE_TAKEN_BACK, sentence)
    turn.note("Withdrawn", sentence)


def _watch_stable(turn: Turn) -> None:
    """From now on stable's pods have their time to come up: what the candidate's took is none of theirs."""
    for pool in turn.status.pools:
        pool.forget_readiness()


def finish_leaving(turn: Turn) -> None:
    """Once no candidate pod serves any more, stable is alone again."""
    status, rollout = turn.status, turn.status.rollout
    if status.stage not in LEAVING or rollout is None or status.candidate is None or arms_leave(turn):
        return
    plan = wanted(turn)
    if lends(turn, plan):
        return
    if any(child in plan or turn.pods(child.pool, child.revision) for child in leaving(status)):
        return
    complete = "RollbackComplete" if status.stage is Stage.ROLLING_BACK else "WithdrawalComplete"
    out = f"Release {rollout.release} is out of all pools"
    if gone := unserved(turn, [child.pool for child in leaving(status)]):
        turn.note("StableNotReady", f"{out}; no pod of stable is ready in pool {', '.join(gone)} yet.", warning=True)
    else:
        turn.note(complete, f"{out}; stable serves.{said_of_stable(status)}")
    _end(turn, Trigger.CANDIDATE_GONE)


def leave_behind(turn: Turn) -> None:
    """Go on to what the spec asks for although pods of the candidate stay: the cluster lets nobody take them away.

    They are told of (``PodsNotGone``) and tried again at each look, whatever else is rolled out meanwhile.
    """
    rollout, plan = turn.status.rollout, wanted(turn)
    if rollout is None or lends(turn, plan):
        return
    if any(child in plan for child in leaving(turn.status)):
        return
    text = f"Pods of release {rollout.release} do not go; release {turn.target} is heard all the same."
    turn.note("LeftBehind", text, warning=True)
    _end(turn, Trigger.PODS_STAY)


def _end(turn: Turn, trigger: Trigger) -> None:
    for (
        row
    ) in turn.status.pools:  # What was found of the release that left says nothing of stable: it is in the history.
        row.forget_verdict()
    turn.status.candidate = turn.status.rollout = None
    move(turn, trigger)


def settle(turn: Turn, trigger: Trigger, result: Result) -> None:
    """The candidate becomes stable."""
    status, rollout = turn.status, turn.status.rollout
    if rollout is None or status.candidate is None:
        return
    turn.beside = None  # about the release that served until now
    watch, left_of = None, ""
    if narrowed(status):
        # What serves is not what was asked for, which stays held: this spec's checks are the next that it will have.
        left_of = rollout.release
        status.candidate.hash = rollout.release = hash_of_release(status.candidate)
        wish, pools = turn.wish, status.candidate.names()
        watch = quality_plan(wish.spec, pools, wish.templates) if wish else rollout.quality
    new = status.candidate.model_copy(update={"since": turn.now})
    if new.fault and result is Result.PROMOTED and new.fault.pool in moving(rollout):
        new.fault = None  # its pods have passed all checks
    if untried(rollout):
        turn.forget_evidence()  # it is about the release that served until now
    sentence = _settled_sentence(turn, rollout, result, left_of)
    record(turn, rollout, result, "", sentence)
    turn.note(result.value, sentence)
    # Who went back to a known release does not want the one it left to return without steps.
    status.previous = status.stable if result is Result.PROMOTED else None
    served = [release for release in (*rollout.leftovers, status.stable) if release and not status.held(release.hash)]
    status.stable, status.candidate = new, None
    remember_removed(turn, served)
    known = status.verified is not None and status.verified.hash == new.hash
    status.bake = None if known else _bake(turn, rollout, new, watch)
    rollout.leftovers, rollout.instead_of, rollout.hold, rollout.failure = [], "", None, None
    if status.bake is None or status.bake.test is None:
        status.rollout = None
    move(turn, trigger)


def _bake(turn: Turn, rollout: Rollout, new: Release, watch: QualityPlan | None) -> Bake:
    """What came without a gate is tested while it bakes, if its checks have not failed already."""
    test = rollout.quality if rollout.first and new.fault is None else None
    clock = Clock(since=turn.now)
    return Bake(release=new.hash, clock=clock, seconds=rollout.bake_time, scope=rollout.scope, test=test, watch=watch)


def _settled_sentence(turn: Turn, rollout: Rollout, result: Result, left_of: str) -> str:
    """``left_of``: the release that was taken back from single pools, and of which this is the rest."""
    if result is Result.PROMOTED and not gated(rollout):
        what = "; ".join(rollout.changes)
        return f"Promoted release {rollout.release} at once: no pods change, so there was nothing to test; {what}."
    if result is Result.PROMOTED:
        where = "in every pool" if rollout.waves else "by the new route table"
        if left_of:
            where = f"in pool {', '.join(moving(rollout))}; it is what is left of release {left_of}"
        return ending(turn, rollout, "Promoted", "", f"all checks passed, full traffic {where}")
    if result is Result.RESTORED:
        fault = turn.status.candidate.fault if turn.status.candidate else None
        known = f" {fault.message}" if fault else ""
        return f"Restored release {rollout.release}, which had been stable before: full traffic in every pool.{known}"
    place = f" in place of stable release {rollout.instead_of}, which did not come up" if rollout.instead_of else ""
    which = "release" if place else "the first release"
    return f"Established {which} {rollout.release}{place}: full traffic in every pool."


def record(turn: Turn, rollout: Rollout, result: Result, reason: str, sentence: str) -> None:
    """Add to the history, newest first."""
    entry = HistoryEntry(
        release=rollout.release,
        result=result,
        reason=reason,
        message=sentence,
        started_at=rollout.started_at,
        ended_at=turn.now,
        weight=max((weight_of(rollout, name) for name in begun(rollout)), default=rollout.weight),
        requests=exposure(turn, rollout),
        born_at=min(born(rollout), default=None),
        route_hash=fingerprinted(turn, turn.status.candidate),
        changes=limits.clip("; ".join(rollout.changes), limits.DETAIL),
        pools=_ended_pools(turn, rollout),
    )
    turn.status.history = [entry, *turn.status.history][: limits.HISTORY]


def _ended_pools(turn: Turn, rollout: Rollout) -> list[EndedPool]:
    """The release's pools, with what was counted in those that it moved, or sent requests by another table."""
    release, counts = turn.status.candidate, {*moving(rollout), *exposing(rollout)}
    rows = {name: turn.status.pool(name) for name in counts}
    counted = {name: row.requests for name, row in rows.items() if row is not None and row.requests is not None}
    return [_ended_pool(item, counted.get(item.name)) for item in (release.pools if release else ())]


def _ended_pool(item: ReleasePool, counted: Requests | None) -> EndedPool:
    found = EndedPool(name=item.name, revision=item.revision, image=item.image.rpartition("/")[2][: limits.ENDED_IMAGE])
    return found if counted is None else found.model_copy(update=counted.model_dump())
