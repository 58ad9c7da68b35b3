"""What to ask the metrics source: a function of the resource and its status alone (R3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sampler_rollouts.domain.decision.context import weight_of
from sampler_rollouts.domain.decision.quality import check_plan
from sampler_rollouts.domain.evidence.samples import Arm, Question
from sampler_rollouts.domain.quantities import ratio
from sampler_rollouts.domain.status import Stage, Status

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import ResourceMeta
    from sampler_rollouts.domain.plan import Release, Rollout

TESTED: Final = frozenset({Stage.PROGRESSING, Stage.HOLDING})


def question(meta: ResourceMeta, spec: Mapping[str, Any], status: Status, now: datetime) -> Question | None:
    """The question of this look, or None when nothing is under test.

    Every pool that moves is asked for, also before its wave: its stable requests count towards the share exposed.
    """
    del spec, now  # The plan was copied to status when the rollout started: later edits do not change what is asked.
    rollout = status.rollout
    under_test = release_under_test(status)
    if rollout is None or under_test is None or meta.deleting:
        return None
    try:
        return _question(meta, status, rollout, under_test)
    except ValueError:  # A plan that cannot be read: nothing can be asked, so nothing passes or fails.
        return None


def release_under_test(status: Status) -> Release | None:
    """The candidate while it progresses or holds; the first release while it bakes (R10)."""
    rollout = status.rollout
    if rollout is None:
        return None
    if status.stage in TESTED and status.candidate and status.candidate.hash == rollout.release:
        return status.candidate
    baking = status.stage is Stage.SERVING and rollout.first and rollout.failure is None
    if baking and status.stable and status.stable.hash == rollout.release:
        return status.stable
    return None


def _question(meta: ResourceMeta, status: Status, rollout: Rollout, release: Release) -> Question:
    plan = rollout.quality
    return Question(
        namespace=meta.namespace,
        rollout=meta.name,
        source=plan.metrics_source,
        since=rollout.started_at,
        arms=tuple(_arm(status, rollout, release, pool) for wave in rollout.waves for pool in wave),
        checks=tuple(check_plan(check) for check in plan.checks),
        # The other half of the rate is the bake time's.
        alpha=ratio(plan.false_rollback_rate) / 2,
        pass_confidence=ratio(plan.pass_confidence),
        design_effect=float(plan.design_effect),
        tests=max(1, plan.tests),
    )


def _arm(status: Status, rollout: Rollout, release: Release, pool: str) -> Arm:
    stable = "" if rollout.first or status.stable is None else status.stable.revision(pool)
    births = [birth for birth in rollout.births if birth.pool == pool]
    return Arm(
        pool,
        release.revision(pool),
        births={birth.pod: birth.at for birth in births},
        stable_revision=stable,
        serving=frozenset(birth.pod for birth in births if birth.serving),
        # At full traffic stable's pods leave: from then on the limit alone decides.
        compared=bool(stable) and weight_of(rollout, pool) < 100,
    )
