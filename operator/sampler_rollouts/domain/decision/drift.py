"""PlanDrift (R3): edits of what was copied when the rollout started."""

from __future__ import annotations

from sampler_rollouts.domain.decision.context import Turn, Wish, moving
from sampler_rollouts.domain.decision.preflight import plan_of
from sampler_rollouts.domain.decision.quality import as_far_as_read, quality_plan
from sampler_rollouts.domain.decision.stages import TESTED
from sampler_rollouts.domain.plan import Rollout
from sampler_rollouts.domain.quantities import seconds
from sampler_rollouts.domain.resource import Spec


def drift(turn: Turn) -> list[str]:
    """Names of the spec's fields whose plan differs from the copy."""
    rollout, wish = turn.status.rollout, turn.wish
    under_way = turn.status.stage in TESTED
    if rollout is None or wish is None or not under_way or wish.release.hash != rollout.release:
        return []
    found = [name for name, differs in _differences(rollout, wish) if differs]
    gateway = turn.status.gateway
    changed = gateway is not None and wish.spec.gateway is not None and gateway.sticky != wish.spec.sticks
    return [*found, "routing.session"] if changed else found


def by_table(rollout: Rollout) -> list[str]:
    """The pools in which its route table is tested."""
    return rollout.table.pools if rollout.table else []


def _differences(rollout: Rollout, wish: Wish) -> list[tuple[str, bool]]:
    spec = wish.spec
    pools, strategy = moving(rollout), spec.strategy
    waves = [[name for name in wave if name in pools] for wave in spec.waves]
    quality = quality_plan(spec, pools, wish.templates, by_table=by_table(rollout))
    quality.tests = rollout.quality.tests  # as many pools share the rate as there were, also when one is taken back
    return [
        ("quality", as_far_as_read(quality, rollout.quality) != rollout.quality),
        ("strategy.waves", [wave for wave in waves if wave] != rollout.waves),
        ("strategy.preflight", _preflight(rollout, spec)),
        ("strategy.progressDeadline", seconds(strategy.progress_deadline) != rollout.progress_deadline),
        ("strategy.deadline", seconds(strategy.deadline) != rollout.deadline),
        ("strategy.bakeTime", seconds(strategy.bake_time) != rollout.bake_time),
        ("rollback.onInconclusive", spec.rollback.on_inconclusive != rollout.on_inconclusive),
        ("rollback.scope", spec.rollback.scope != rollout.scope),
    ]


def _preflight(rollout: Rollout, spec: Spec) -> bool:
    """Whether the spec asks for another preflight; where nothing moves there is none, whatever it asks for."""
    asked = plan_of(spec, rollout.started_at) if moving(rollout) else None
    known = rollout.preflight
    if asked is None or known is None:
        return asked is not known
    return any(getattr(asked, name) != getattr(known, name) for name in ("budget", "timeout", "compare_with_stable"))
