"""The quality block as it is copied when a test starts (R3)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from quality_contract import CHECK_REPLAY_AUDIT

from sampler_rollouts.domain.evidence.evaluate import count_tests
from sampler_rollouts.domain.evidence.samples import AUDITED, CheckPlan
from sampler_rollouts.domain.plan import CheckSpec, QualityPlan
from sampler_rollouts.domain.quality_spec import DEFAULT_MAX_RATES
from sampler_rollouts.domain.quantities import nats, ratio
from sampler_rollouts.domain.slowness import slower_than

if TYPE_CHECKING:
    from sampler_rollouts.domain.quality_spec import Check
    from sampler_rollouts.domain.resource import Spec


_AUDIT_RATE = DEFAULT_MAX_RATES[CHECK_REPLAY_AUDIT]


def check_spec(check: Check) -> CheckSpec:
    """A check as the plan remembers it."""
    return CheckSpec(
        name=check.name,
        max_rate=check.rate_text,
        max_ratio=check.max_ratio or "",
        ignore_below=check.ignore_below or "",
        slower_than=check.slower_than or "",
        max_bias_nats=check.max_bias_nats or "",
    )


def check_plan(check: CheckSpec) -> CheckPlan:
    """A planned check as the evidence is asked about it; ValueError if a number cannot be read."""
    return CheckPlan(
        check.name,
        max_rate=ratio(check.max_rate) if check.max_rate else math.nan,
        max_ratio=float(check.max_ratio) if check.max_ratio else math.nan,
        ignore_below=ratio(check.ignore_below) if check.ignore_below else 0.0,
        slower_than=slower_than(check.name, check.slower_than),
        max_bias=nats(check.max_bias_nats) if check.max_bias_nats else math.nan,
    )


def quality_plan(spec: Spec, pools: list[str], *, probed: bool = True) -> QualityPlan:
    """The quality block, resolved: the replay audit is on wherever there is an audit share.

    ``probed``: whether the synthetic probes that the spec may ask for are sent while it is in force.
    """
    checks = {check.name: check_spec(check) for check in spec.quality.checks}
    checks.setdefault(CHECK_REPLAY_AUDIT, CheckSpec(name=CHECK_REPLAY_AUDIT, max_rate=_AUDIT_RATE))
    unaudited = [pool.name for pool in spec.pools if pool.name in pools and ratio(pool.sampler.audit_share) == 0]
    if pools and len(unaudited) == len(pools):
        checks = {name: check for name, check in checks.items() if name not in AUDITED}
    probes = spec.quality.probes if probed else None
    return QualityPlan(
        metrics_source=spec.quality.metrics_source,
        false_rollback_rate=spec.quality.false_rollback_rate,
        pass_confidence=spec.quality.pass_confidence,
        design_effect=spec.quality.design_effect,
        checks=list(checks.values()),
        tests=count_tests([check_plan(check) for check in checks.values()], pools, probes=probes is not None),
        probes=probes.requests_per_second if probes else "",
        unaudited=unaudited,
    )
