"""The stages' transition table. docs/rollout.md shows it, a test holds the two together; nothing else can happen."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sampler_rollouts.domain.status import Stage

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn


class Trigger(StrEnum):
    """What moves a SamplerRollout from one stage to another."""

    FIRST_RELEASE = "first release"
    STATUS_LOST = "status lost, one revision of each pool there"
    NEW_RELEASE = "new release"
    KNOWN_RELEASE = "verified or previous release again"
    OTHER_RELEASE = "spec asks for another release"
    RETRY = "retryGeneration rises, or retry annotation"
    PODS_READY = "all pods ready"
    FULL_TRAFFIC = "full traffic in every pool"
    CHECK_FAILED = "a check failed"
    PODS_FAILING = "candidate's pods fail"
    INCONCLUSIVE_HOLD = "inconclusive, onInconclusive: Hold"
    INCONCLUSIVE_ROLLBACK = "inconclusive, onInconclusive: Rollback"
    PREFLIGHT_FAILED = "the preflight failed"
    PREFLIGHT_ANSWERED = "the preflight answered after all"
    PODS_STARTED = "pods could start after all"
    PERSON = "promote annotation"
    POOL_TAKEN_BACK = "a pool fails, rollback.scope: Pool"
    TAKEN_BACK = "abort or rollback annotation"
    CANDIDATE_GONE = "candidate's pods gone"
    PODS_STAY = "candidate's pods do not go, spec asks for another release"
    STABLE_FAILED = "what serves fails in its bake time, in a pool that the candidate does not touch"
    STABLE_AWAY = "stable does not come up, spec asks for another release"


TABLE: Final[dict[tuple[Stage, Trigger], Stage]] = {
    (Stage.IDLE, Trigger.FIRST_RELEASE): Stage.ESTABLISHING,
    (Stage.IDLE, Trigger.STATUS_LOST): Stage.SERVING,
    (Stage.ESTABLISHING, Trigger.OTHER_RELEASE): Stage.ESTABLISHING,
    (Stage.ESTABLISHING, Trigger.PODS_READY): Stage.SERVING,
    (Stage.SERVING, Trigger.NEW_RELEASE): Stage.PROGRESSING,
    (Stage.SERVING, Trigger.KNOWN_RELEASE): Stage.RESTORING,
    (Stage.SERVING, Trigger.CHECK_FAILED): Stage.ROLLING_BACK,
    (Stage.SERVING, Trigger.TAKEN_BACK): Stage.ROLLING_BACK,
    (Stage.PROGRESSING, Trigger.FULL_TRAFFIC): Stage.SERVING,
    (Stage.PROGRESSING, Trigger.CHECK_FAILED): Stage.ROLLING_BACK,
    (Stage.PROGRESSING, Trigger.POOL_TAKEN_BACK): Stage.PROGRESSING,
    (Stage.PROGRESSING, Trigger.PREFLIGHT_FAILED): Stage.ROLLING_BACK,
    (Stage.PROGRESSING, Trigger.PODS_FAILING): Stage.ROLLING_BACK,
    (Stage.PROGRESSING, Trigger.INCONCLUSIVE_HOLD): Stage.HOLDING,
    (Stage.PROGRESSING, Trigger.INCONCLUSIVE_ROLLBACK): Stage.ROLLING_BACK,
    (Stage.PROGRESSING, Trigger.OTHER_RELEASE): Stage.WITHDRAWING,
    (Stage.PROGRESSING, Trigger.TAKEN_BACK): Stage.ROLLING_BACK,
    (Stage.PROGRESSING, Trigger.STABLE_FAILED): Stage.WITHDRAWING,
    (Stage.HOLDING, Trigger.STABLE_FAILED): Stage.WITHDRAWING,
    (Stage.HOLDING, Trigger.CHECK_FAILED): Stage.ROLLING_BACK,
    (Stage.HOLDING, Trigger.POOL_TAKEN_BACK): Stage.PROGRESSING,
    (Stage.HOLDING, Trigger.PREFLIGHT_FAILED): Stage.ROLLING_BACK,
    (Stage.HOLDING, Trigger.PODS_FAILING): Stage.ROLLING_BACK,
    (Stage.HOLDING, Trigger.PODS_STARTED): Stage.PROGRESSING,
    (Stage.HOLDING, Trigger.PREFLIGHT_ANSWERED): Stage.PROGRESSING,
    (Stage.HOLDING, Trigger.PERSON): Stage.PROGRESSING,
    (Stage.HOLDING, Trigger.RETRY): Stage.WITHDRAWING,
    (Stage.HOLDING, Trigger.OTHER_RELEASE): Stage.WITHDRAWING,
    (Stage.HOLDING, Trigger.TAKEN_BACK): Stage.ROLLING_BACK,
    (Stage.RESTORING, Trigger.PODS_READY): Stage.SERVING,
    (Stage.RESTORING, Trigger.PODS_FAILING): Stage.ROLLING_BACK,
    (Stage.RESTORING, Trigger.TAKEN_BACK): Stage.ROLLING_BACK,
    (Stage.RESTORING, Trigger.OTHER_RELEASE): Stage.WITHDRAWING,
    (Stage.ROLLING_BACK, Trigger.CANDIDATE_GONE): Stage.SERVING,
    (Stage.ROLLING_BACK, Trigger.PODS_STAY): Stage.SERVING,
    (Stage.ROLLING_BACK, Trigger.STABLE_AWAY): Stage.ESTABLISHING,
    (Stage.WITHDRAWING, Trigger.CANDIDATE_GONE): Stage.SERVING,
    (Stage.WITHDRAWING, Trigger.PODS_STAY): Stage.SERVING,
    (Stage.WITHDRAWING, Trigger.STABLE_AWAY): Stage.ESTABLISHING,
}


def move(turn: Turn, trigger: Trigger) -> None:
    """Take one transition. One that is not in the table is a bug, and says so."""
    turn.status.stage = TABLE[(turn.status.stage, trigger)]
    turn.moved = True
