"""What to ask the metrics source: a function of the resource and its status alone (R3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sampler_rollouts.domain.decision.context import (
    begun,
    counted_since,
    moving,
    table_wave,
    untried,
    weight_of,
)
from sampler_rollouts.domain.decision.quality import by_route, check_plan
from sampler_rollouts.domain.decision.stages import TESTED
from sampler_rollouts.domain.evidence.samples import Arm, Question
from sampler_rollouts.domain.evidence.shiryaev import intervals_in
from sampler_rollouts.domain.quantities import ratio
from sampler_rollouts.domain.status import Stage, Status

if TYPE_CHECKING:
    from sampler_rollouts.domain.births import WithBirths
    from sampler_rollouts.domain.decision.context import ResourceMeta
    from sampler_rollouts.domain.plan import Bake, QualityPlan, Release, Rollout, Watch
    from sampler_rollouts.domain.route_plan import TableMove


def question(meta: ResourceMeta, spec: Mapping[str, Any], status: Status, now: datetime) -> Question | None:
    """The question of this look, or None when nothing is under test.

    Every pool that moves is asked for, also before its wave: its stable requests count towards the share exposed.
    """
    del spec, now  # The plan was copied to status when the rollout started: later edits do not change what is asked.
    rollout = status.rollout
    under_test = release_under_test(status)
    if meta.deleting:
        return None
    try:
        if rollout is not None and under_test is not None and status.stage in TESTED and table_wave(rollout):
            return _of_table(meta, status, rollout, under_test)
        if rollout is not None and under_test is not None:
            arms = [_arm(status, rollout, under_test, pool) for wave in rollout.waves for pool in wave]
            seconds = _bake_seconds(status, rollout) if status.stage is Stage.SERVING else None
            return _question(meta, status, rollout.quality, counted_since(rollout), arms, seconds)
        return _of_what_serves(meta, status)
    except ValueError:  # A plan that cannot be read: nothing can be asked, so nothing passes or fails.
        return None


def release_under_test(status: Status) -> Release | None:
    """The candidate while it progresses or holds, once it has pods; the first release while it bakes (R10)."""
    rollout = status.rollout
    if rollout is None:
        return None
    if status.stage in TESTED and status.candidate and status.candidate.hash == rollout.release:
        return None if untried(rollout) else status.candidate
    baking = status.stage is Stage.SERVING and rollout.first and rollout.failure is None
    if baking and status.stable and status.stable.hash == rollout.release:
        return status.stable
    return None


def alone(status: Status) -> bool:
    """Whether what serves serves alone: no candidate is there, or it waits for its first pod, examined perhaps."""
    if status.stage is Stage.SERVING:
        return status.rollout is None
    return status.stage in TESTED and status.rollout is not None and untried(status.rollout)


def pools_beside(status: Status) -> list[str]:
    """Stable's pools that a candidate which is under way does not touch now: there what serves is watched on."""
    stable, rollout = status.stable, status.rollout
    if stable is None or rollout is None or status.candidate is None or alone(status):
        return []
    tried = [name for name in begun(rollout) if weight_of(rollout, name)]
    touched = set(tried if status.stage in TESTED else moving(rollout))
    if rollout.table is not None and table_wave(rollout):
        touched |= set(rollout.table.pools)
    return [name for name in stable.names() if name not in touched]


def watched(status: Status) -> Bake | None:
    """The bake of what serves alone, if its data are watched: it has passed its checks in the steps.

    Those of a release without a gate are tested by a rollout of its own, which a candidate takes the place of: they are
    watched here while that one has no pod.
    """
    bake = _bake(status)
    if bake is None or not alone(status):
        return None
    return bake if bake.test is None or status.rollout is not None else None


def bake_beside(status: Status) -> Bake | None:
    """The bake of what serves in pools that a candidate does not touch."""
    return _bake(status) if pools_beside(status) else None


def _bake(status: Status) -> Bake | None:
    bake, stable = status.bake, status.stable
    if bake is None or stable is None or bake.release != stable.hash or stable.fault:
        return None
    return bake


def on_watch(status: Status) -> Watch | None:
    """How a release is looked at that serves alone and has its bake behind it (R22)."""
    return _watch(status) if alone(status) else None


def watch_beside(status: Status) -> Watch | None:
    """The same in pools that a candidate does not touch."""
    return _watch(status) if pools_beside(status) else None


def _watch(status: Status) -> Watch | None:
    watch, stable = status.watch, status.stable
    if watch is None or stable is None or status.bake is not None:
        return None
    return watch if watch.release == stable.hash and stable.fault is None else None


def watched_plan(status: Status) -> QualityPlan | None:
    """What is asked of a release that serves alone, in its bake or after it; None where nothing is."""
    return _plan(watched(status), on_watch(status))


def plan_beside(status: Status) -> QualityPlan | None:
    """What is asked of it in pools that a candidate does not touch."""
    return _plan(bake_beside(status), watch_beside(status))


def _plan(bake: Bake | None, watch: Watch | None) -> QualityPlan | None:
    return bake.test or bake.watch if bake else watch.quality if watch else None


def watched_since(status: Status) -> datetime | None:
    """From when on what serves alone is asked about; None where nothing is."""
    return _since(status, watched(status), on_watch(status))


def _since(status: Status, bake: Bake | None, watch: Watch | None) -> datetime | None:
    stable, rollout = status.stable, status.rollout
    if bake is None or stable is None:
        return watch.since if watch else None
    # A test that a candidate has taken the place of begins anew.
    return rollout.started_at if bake.test is not None and rollout is not None else stable.since


def tested_alone(status: Status) -> QualityPlan | None:
    """The checks that are asked of a release in its bake, whether it came through steps or without a gate."""
    rollout, under_test = status.rollout, release_under_test(status)
    if rollout is not None:
        return rollout.quality if under_test is not None and status.stage is Stage.SERVING else None
    bake = watched(status)
    return bake.watch if bake else None


def question_beside(meta: ResourceMeta, status: Status) -> Question | None:
    """What to ask of the pools that a candidate does not touch: its bake may be long, and R22 knows no rest."""
    if meta.deleting:
        return None
    try:
        found = _serving(meta, status, bake_beside(status), watch_beside(status), pools_beside(status))
    except ValueError:  # as above
        return None
    return replace(found, beside=True) if found else None


def _of_what_serves(meta: ResourceMeta, status: Status) -> Question | None:
    """In its bake, or after it."""
    pools = status.stable.names() if status.stable else []
    return _serving(meta, status, watched(status), on_watch(status), pools)


def _serving(
    meta: ResourceMeta, status: Status, bake: Bake | None, watch: Watch | None, pools: list[str]
) -> Question | None:
    under, plan, since, stable = bake or watch, _plan(bake, watch), _since(status, bake, watch), status.stable
    if under is None or plan is None or since is None or stable is None:
        return None
    arms = [_own_arm(under, item.name, item.revision, "") for item in stable.pools if item.name in pools]
    return _question(meta, status, plan, since, arms, under.seconds)


def _of_table(meta: ResourceMeta, status: Status, rollout: Rollout, release: Release) -> Question | None:
    """Of both tables' requests, in the pools that the new one names: of the very same pods (R11).

    Other pools that have moved stay under the test of their full traffic, by the same checks.
    """
    table = rollout.table
    if table is None or table.since is None:
        return None
    named = by_route(rollout.quality.checks)
    checks = [check for check in rollout.quality.checks if check.name in named]
    # Probes come by no route.
    quality = rollout.quality.model_copy(update={"checks": checks, "probes": ""})
    arms = [_table_arm(rollout, table, table.since, pool, release.revision(pool)) for pool in table.pools]
    arms += [_arm(status, rollout, release, pool) for pool in begun(rollout) if pool not in table.pools]
    return _question(meta, status, quality, table.since, arms, None)


def _table_arm(rollout: Rollout, table: TableMove, since: datetime, pool: str, revision: str) -> Arm:
    """A hash that a pod has never told counts from zero, however old the pod is."""
    arm = _own_arm(rollout, pool, revision, revision, compared=True)
    births = arm.births if table.known else {pod: max(at, since) for pod, at in arm.births.items()}
    return replace(arm, births=births, route=table.route_hash, stable_route=table.stable_hash)


def _bake_seconds(status: Status, rollout: Rollout) -> int:
    return status.bake.seconds if status.bake else rollout.bake_time


def _question(
    meta: ResourceMeta, status: Status, plan: QualityPlan, since: datetime, arms: list[Arm], bake_seconds: int | None
) -> Question:
    """``bake_seconds`` is of a release that serves all traffic; None of a candidate."""
    return Question(
        namespace=meta.namespace,
        rollout=meta.name,
        source=plan.metrics_source,
        since=since,
        arms=tuple(arms),
        checks=tuple(check_plan(check) for check in plan.checks),
        # One half of the rate is the rollout's, the other the bake time's.
        alpha=ratio(plan.false_rollback_rate) / 2,
        pass_confidence=ratio(plan.pass_confidence),
        design_effect=float(plan.design_effect),
        tests=max(1, plan.tests),
        probes=plan.probes != "",
        routed=status.routed,
        bake_intervals=0 if bake_seconds is None else intervals_in(bake_seconds),
    )


def _arm(status: Status, rollout: Rollout, release: Release, pool: str) -> Arm:
    stable = "" if rollout.first or status.stable is None else status.stable.revision(pool)
    # At full traffic stable's pods leave: from then on the limit alone decides.
    compared = bool(stable) and weight_of(rollout, pool) < 100
    return _own_arm(rollout, pool, release.revision(pool), stable, compared=compared)


def _own_arm(under: WithBirths, pool: str, revision: str, stable: str, *, compared: bool = False) -> Arm:
    births = under.births_in(pool)
    return Arm(
        pool,
        revision,
        births={birth.pod: birth.at for birth in births},
        stable_revision=stable,
        serving=frozenset(birth.pod for birth in births if birth.serving),
        compared=compared,
    )
