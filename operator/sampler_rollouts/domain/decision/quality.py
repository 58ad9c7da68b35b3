"""The quality block as it is copied when a test starts (R3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quality_contract import CHECK_REPLAY_AUDIT

from sampler_rollouts.domain.evidence.evaluate import count_tests
from sampler_rollouts.domain.evidence.samples import CheckPlan
from sampler_rollouts.domain.plan import CheckSpec, QualityPlan
from sampler_rollouts.domain.quantities import ratio
from sampler_rollouts.domain.resource import DEFAULT_MAX_RATES

if TYPE_CHECKING:
    from sampler_rollouts.domain.resource import Spec


def quality_plan(spec: Spec, pools: list[str]) -> QualityPlan:
    """The quality block, resolved: the replay audit is on wherever there is an audit share."""
    rates = {check.name: check.rate_text for check in spec.quality.checks}
    rates.setdefault(CHECK_REPLAY_AUDIT, DEFAULT_MAX_RATES[CHECK_REPLAY_AUDIT])
    unaudited = [pool.name for pool in spec.pools if pool.name in pools and ratio(pool.sampler.audit_share) == 0]
    if pools and len(unaudited) == len(pools):
        del rates[CHECK_REPLAY_AUDIT]
    checks = [CheckPlan(name, ratio(rate)) for name, rate in rates.items()]
    return QualityPlan(
        metrics_source=spec.quality.metrics_source,
        false_rollback_rate=spec.quality.false_rollback_rate,
        pass_confidence=spec.quality.pass_confidence,
        design_effect=spec.quality.design_effect,
        checks=[CheckSpec(name=name, max_rate=rate) for name, rate in rates.items()],
        tests=count_tests(checks, pools),
        unaudited=unaudited,
    )
