"""Conditions, after kstatus' rules (R24): never Reconciling and Stalled together; Ready at full traffic and passed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain.decision import entrance, examined
from sampler_rollouts.domain.decision.aborts import waiting_for
from sampler_rollouts.domain.decision.adopt import STATUS_LOST, ambiguity
from sampler_rollouts.domain.decision.after_bake import told
from sampler_rollouts.domain.decision.away import STABLE_NOT_READY, place, stable_away, still_serves
from sampler_rollouts.domain.decision.baking import serves
from sampler_rollouts.domain.decision.context import Turn, begun, moving
from sampler_rollouts.domain.decision.drift import drift
from sampler_rollouts.domain.decision.faults import FIRST_RELEASE_FAILED, said_of_stable
from sampler_rollouts.domain.decision.memory import spoken, unready_for
from sampler_rollouts.domain.decision.progress import blocker, how_to_continue, position
from sampler_rollouts.domain.decision.remains import (
    NOT_DELETED,
    PODS_NOT_GONE,
    not_deleted,
    patience,
    pods_not_gone,
)
from sampler_rollouts.domain.decision.removed import served_by_removed
from sampler_rollouts.domain.decision.replicas import pods_settled
from sampler_rollouts.domain.decision.share import stable_short
from sampler_rollouts.domain.decision.stages import LEAVING
from sampler_rollouts.domain.decision.suspects import stopped, suspected
from sampler_rollouts.domain.decision.verdicts import CHECK_FAILED, said_of_shared
from sampler_rollouts.domain.decision.word import Word
from sampler_rollouts.domain.decision.words_of_data import evidence_feasible, metrics_available, verified
from sampler_rollouts.domain.evidence.look import SHARED_DEGRADATION
from sampler_rollouts.domain.limits import clip
from sampler_rollouts.domain.plan import Fault, Release, Rollout
from sampler_rollouts.domain.status import Condition, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

READY: Final = "Ready"
RECONCILING: Final = "Reconciling"
STALLED: Final = "Stalled"
PODS_NOT_READY: Final = "PodsNotReady"


def headline(turn: Turn) -> Word:
    """The one of Ready, Reconciling and Stalled that is true."""
    if turn.wish is None:
        return Word(STALLED, "True", "InvalidSpec", turn.problem)
    return _headline(turn)


def _headline(turn: Turn) -> Word:
    status, rollout = turn.status, turn.status.rollout
    if why := ambiguity(turn):
        return Word(STALLED, "True", STATUS_LOST, why)
    if status.stage is Stage.SERVING:
        return _serving(turn)
    if rollout is None:
        who = stopped(turn)
        said = f"waiting for {who}" if who else "nothing has been started yet"
        return _waiting_or(turn, "Starting", said)
    trouble = _establishing(turn, rollout) if status.stage is Stage.ESTABLISHING else None
    if trouble:
        return trouble
    if rollout.hold:
        return Word(STALLED, "True", rollout.hold.reason, _hold_message(turn, rollout))
    return _under_way(turn, rollout)


def _establishing(turn: Turn, rollout: Rollout) -> Word | None:
    held = turn.status.held(turn.target)
    if held:
        return Word(STALLED, "True", "RolledBack", f"{held.message} Release {rollout.release} is starting instead.")
    return Word(STALLED, "True", FIRST_RELEASE_FAILED, rollout.failure.message) if rollout.failure else None


def _serving(turn: Turn) -> Word:
    status = turn.status
    held = status.held(turn.target)
    if status.stable and status.stable.hash == turn.target:
        if status.stable.fault:
            return _not_well(turn, status.stable.fault)
        return _unserved(turn, status.stable) or Word(
            READY, "True", "FullTraffic", f"release {turn.target} serves all traffic in every pool"
        )
    if held:
        more = "".join(f" {text}" for text in (_silent(turn), pods_not_gone(turn), not_deleted(turn)) if text)
        return Word(STALLED, "True", "RolledBack", held.message + said_of_stable(status) + more)
    return _waiting_or(turn, "Starting", f"release {turn.target} is about to be rolled out")


def _silent(turn: Turn) -> str:
    """Pools of stable where no pod answers: it may have to start again after a rollback."""
    gone = _unserved_pools(turn, turn.status.stable) if turn.status.stable else []
    return f"But no pod of stable is ready in pool {', '.join(gone)}." if gone else ""


def _unserved(turn: Turn, stable: Release) -> Word | None:
    """Users of a pool, or all of them, get no answer, or one of pods that are not wanted."""
    for kind, (reason, why) in ((STALLED, entrance.refused(turn)), (RECONCILING, entrance.missing(turn))):
        if reason:
            return Word(kind, "True", reason, why)
    gone = [name for name in _late(turn) if not turn.ready(name, stable.revision(name))]
    others = served_by_removed(turn)
    if gone or others:
        where = ", ".join(place(turn, name) for name in gone or _unserved_pools(turn, stable))
        said = f"no pod of release {stable.hash} is ready in {where}" + (f"; {others}" if others else "")
        return Word(STALLED if gone else RECONCILING, "True", PODS_NOT_READY, said)
    if why := pods_not_gone(turn):
        return Word(STALLED, "True", PODS_NOT_GONE, why)
    return None


def _unserved_pools(turn: Turn, stable: Release) -> list[str]:
    return [item.name for item in stable.pools if not turn.ready(item.name, item.revision)]


def _not_well(turn: Turn, fault: Fault) -> Word:
    if fault.retried:
        needs = waiting_for(turn, turn.status.rollout) if turn.status.rollout else "its test is about to begin"
        return Word(RECONCILING, "True", "Retesting", f"{fault.message} It is tested anew: {needs}.")
    remedy = "Ask for another release, or raise retryGeneration to have it tested anew."
    return Word(STALLED, "True", FIRST_RELEASE_FAILED, f"{fault.message} {remedy}")


def _waiting_or(turn: Turn, reason: str, message: str) -> Word:
    if turn.paused:
        return Word(RECONCILING, "True", "Paused", f"{_paused_by(turn)}: {message}")
    return Word(RECONCILING, "True", reason, message)


def _paused_by(turn: Turn) -> str:
    return f"a person paused it{spoken(turn.pause)}" if turn.pause else "spec.paused is true"


def _hold_message(turn: Turn, rollout: Rollout) -> str:
    hold = rollout.hold.message if rollout.hold else ""
    if turn.status.stage is not Stage.HOLDING:
        return hold
    return (
        f"{hold} It goes on with the annotation {how_to_continue(turn, rollout)}, is tried again when retryGeneration "
        "rises, and ends when the spec asks for another release."
    )


def _under_way(turn: Turn, rollout: Rollout) -> Word:
    stage = turn.status.stage
    if stage in LEAVING:
        return _leaving(turn, rollout)
    if stage is Stage.PROGRESSING and rollout.waiting and not turn.paused:
        how = f"{position(turn, rollout)}; to continue, set the annotation {how_to_continue(turn, rollout)}"
        return Word(RECONCILING, "True", "WaitingForPerson", how)
    if stage is Stage.PROGRESSING:
        said = position(turn, rollout) + (f": waiting for {needs}" if (needs := blocker(turn, rollout)) else "")
        return _waiting_or(turn, "Progressing", said)
    if entrance.route_trouble(turn) and all(pods_settled(turn, name) for name in begun(rollout)):
        return Word(STALLED, "True", *entrance.refused(turn))
    waits = examined.waits_for(turn) or "the pods"
    return _waiting_or(turn, stage.value, f"waiting for {waits} of release {rollout.release}")


def _leaving(turn: Turn, rollout: Rollout) -> Word:
    """Candidate pods that must stay because stable's do not come up, or that do not go, are a matter for a person."""
    away, reason = stable_away(turn), STABLE_NOT_READY
    if not away:
        away, reason = pods_not_gone(turn), PODS_NOT_GONE
    said = rollout.failure.message if rollout.failure else ""
    if turn.status.stage is Stage.ROLLING_BACK:
        if away:
            return Word(STALLED, "True", "RolledBack", f"{said} {away}")
        return Word(RECONCILING, "True", "RollingBack", said + still_serves(turn))
    if away:
        return Word(STALLED, "True", reason, away)
    text = f"release {rollout.release} leaves: it is no longer asked for"
    return Word(RECONCILING, "True", "Withdrawing", text + (f".{more}" if (more := still_serves(turn)) else ""))


def _words(turn: Turn) -> Iterator[Word]:
    head = headline(turn)
    yield head if head.type == READY else Word(READY, "False", head.reason, head.message)
    if head.type != READY:
        yield head
    yield verified(turn)
    yield _rolled_back(turn)
    yield _degraded(turn)
    yield metrics_available(turn)
    yield evidence_feasible(turn)
    yield _drift(turn)
    yield _suspect(turn)


def _rolled_back(turn: Turn) -> Word:
    status, rollout = turn.status, turn.status.rollout
    if status.stage is Stage.ROLLING_BACK and rollout and rollout.failure:
        return Word("RolledBack", "True", rollout.failure.reason, rollout.failure.message)
    held = None if status.stable and status.stable.hash == turn.target else status.held(turn.target)
    if held:
        return Word("RolledBack", "True", held.reason, held.message)
    return Word("RolledBack", "False", "NotHeld", "the release that the spec asks for has not been rolled back")


def _degraded(turn: Turn) -> Word:
    reason, why = next(((reason, why) for reason, why in _troubles(turn) if why), ("", ""))
    return Word("Degraded", "True", reason, why) if reason else Word("Degraded", "False", "AsWanted", "")


def _troubles(turn: Turn) -> Iterator[tuple[str, str]]:
    """Reasons and sentences, the gravest first; an empty sentence is no trouble."""
    status, rollout = turn.status, turn.status.rollout
    fault = (status.stable and status.stable.fault) or (rollout and rollout.first and rollout.failure)
    yield STATUS_LOST, ambiguity(turn)
    yield FIRST_RELEASE_FAILED, fault.message if fault else ""
    yield CHECK_FAILED, told(turn)
    yield SHARED_DEGRADATION, said_of_shared(turn)
    yield STABLE_NOT_READY, stable_away(turn) or stable_short(turn)
    yield PODS_NOT_GONE, pods_not_gone(turn)
    yield entrance.refused(turn)
    if status.stage is Stage.ESTABLISHING and rollout and rollout.instead_of:
        text = f"stable release {rollout.instead_of} did not come up; release {rollout.release} starts in its place"
        yield STABLE_NOT_READY, text
    no_pods_move = rollout is not None and not moving(rollout)
    late = _late(turn) if serves(status) or no_pods_move else []
    yield PODS_NOT_READY, f"pods of pool {', '.join(late)} are missing or not ready" if late else ""
    yield NOT_DELETED, not_deleted(turn)


def _late(turn: Turn) -> list[str]:
    """Pools that have not been whole for as long as pods may take."""
    return [pool.name for pool in turn.status.pools if unready_for(pool, turn) >= patience(turn)]


def _drift(turn: Turn) -> Word:
    fields = drift(turn)
    if fields:
        text = f"{', '.join(fields)} changed after the rollout started; the change applies to the next one"
        return Word("PlanDrift", "True", "SpecChanged", text)
    return Word("PlanDrift", "False", "AsPlanned", "")


def _suspect(turn: Turn) -> Word:
    said = suspected(turn)
    return Word("Suspect", str(bool(said)), "FailedElsewhere" if said else "NotMarked", said)


def write_conditions(turn: Turn) -> None:
    """Replace all conditions; a time moves only when its status flips."""
    before = {condition.type: condition for condition in turn.status.conditions}
    turn.status.conditions = [_condition(turn, word, before.get(word.type)) for word in _words(turn)]


def _condition(turn: Turn, word: Word, before: Condition | None) -> Condition:
    same = before is not None and before.status == word.status
    return Condition.model_validate(
        {
            "type": word.type,
            "status": word.status,
            "observedGeneration": turn.meta.generation,
            "lastTransitionTime": before.last_transition_time if same and before else turn.now,
            "reason": word.reason,
            "message": clip(word.message),
        }
    )
