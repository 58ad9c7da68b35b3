"""The quality block as it is copied when a test starts (R3)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from quality_contract import CHECK_REPLAY_AUDIT, PROBE_CHECKS

from sampler_rollouts.domain.check_template import CheckTemplate, bound_seconds
from sampler_rollouts.domain.evidence.evaluate import count_tests
from sampler_rollouts.domain.evidence.samples import AUDITED, CheckPlan
from sampler_rollouts.domain.plan import CheckSpec, QualityPlan
from sampler_rollouts.domain.quality_spec import DEFAULT_MAX_RATES
from sampler_rollouts.domain.quantities import nats, ratio
from sampler_rollouts.domain.routes_spec import NOT_BY_ROUTE
from sampler_rollouts.domain.slowness import slower_than

if TYPE_CHECKING:
    from sampler_rollouts.domain.quality_spec import Check
    from sampler_rollouts.domain.resource import Spec


_AUDIT_RATE = DEFAULT_MAX_RATES[CHECK_REPLAY_AUDIT]


Templates = Mapping[str, CheckTemplate | None]
"""By name; None: there is none that the operator may read. One that is not here could not be read, and may be there."""
NO_TEMPLATES: Final[Templates] = {}


def check_spec(check: Check, templates: Templates = NO_TEMPLATES) -> CheckSpec:
    """A check as the plan remembers it."""
    made = CheckSpec(
        template=check.template or "",
        max_drop=check.max_drop or "",
        report=check.mode == "Report",
        name=check.name,
        max_rate=check.rate_text,
        max_ratio=check.max_ratio or "",
        ignore_below=check.ignore_below or "",
        slower_than=check.slower_than or "",
        max_bias_nats=check.max_bias_nats or "",
    )
    return with_data(made, templates)


_OF_TEMPLATE: Final = ("metrics", "bad_label", "bad_values", "largest", "slower_than", "problem")


def with_data(check: CheckSpec, templates: Templates) -> CheckSpec:
    """A planned check with where its data are, if that was not known and its template says so now."""
    if not check.template or check.metrics or check.template not in templates:
        return check
    found = templates[check.template]
    problem = _problem(check, found)
    if found is None or problem:
        return check.model_copy(update={"problem": problem})
    known = {
        "metrics": list(found.metrics),
        "bad_label": found.bad_where.label if found.bad_where else "",
        "bad_values": list(found.bad_where.values) if found.bad_where else [],
        "largest": found.largest,
        "slower_than": check.slower_than or found.slower_than or "",
        "problem": "",
    }
    return check.model_copy(update=known)


def _problem(check: CheckSpec, found: CheckTemplate | None) -> str:
    """Why a template does not say where a check's data are."""
    if found is None:
        return f"there is no ClusterCheckTemplate {check.template} that the operator may read: create it"
    if (found.about == "score") != bool(check.max_drop):
        limit = "maxDrop" if found.about == "score" else "maxRate or maxRatio"
        return f"ClusterCheckTemplate {check.template} is about a {found.about}: give {limit}, and no other limit"
    return ""


def unread(check: CheckSpec) -> bool:
    """Whether nobody could say yet what its template says, or whether there is one."""
    return bool(check.template) and not check.metrics and not check.problem


def as_far_as_read(made: QualityPlan, known: QualityPlan) -> QualityPlan:
    """A plan that is made now: of templates that could not be read now, what another plan knows of them."""
    other = {(check.name, check.template): check for check in known.checks}
    checks = [_as_known(check, other.get((check.name, check.template))) for check in made.checks]
    return made.model_copy(update={"checks": checks})


def _as_known(check: CheckSpec, other: CheckSpec | None) -> CheckSpec:
    if other is None or not unread(check):
        return check
    return check.model_copy(update={name: getattr(other, name) for name in _OF_TEMPLATE})


def problem_of(check: CheckSpec) -> str:
    """Why nobody knows where its data are; empty if that is known."""
    if unread(check):
        return f"ClusterCheckTemplate {check.template} could not be read: that is tried again at each look"
    return check.problem


def check_plan(check: CheckSpec) -> CheckPlan:
    """A planned check as the evidence is asked about it; ValueError if a number cannot be read."""
    return CheckPlan(
        check.name,
        max_rate=ratio(check.max_rate) if check.max_rate else math.nan,
        max_ratio=float(check.max_ratio) if check.max_ratio else math.nan,
        ignore_below=ratio(check.ignore_below) if check.ignore_below else 0.0,
        slower_than=_slower_than(check),
        max_bias=nats(check.max_bias_nats) if check.max_bias_nats else math.nan,
        metrics=tuple(check.metrics) if len(check.metrics) == 2 else (),
        bad_label=check.bad_label,
        bad_values=frozenset(check.bad_values),
        max_drop=ratio(check.max_drop) if check.max_drop else math.nan,
        largest=float(check.largest),
        problem=problem_of(check),
        unread=unread(check),
    )


def _slower_than(check: CheckSpec) -> float:
    named = check.template and check.slower_than
    return bound_seconds(check.slower_than) if named else slower_than(check.name, check.slower_than)


def by_route(checks: Iterable[CheckSpec]) -> set[str]:
    """The checks that servers count by route: pairs of their own, none of an admin's metrics."""
    return {check.name for check in checks if not check.template and check.name not in NOT_BY_ROUTE}


def quality_plan(
    spec: Spec,
    pools: list[str],
    templates: Templates = NO_TEMPLATES,
    *,
    probed: bool = True,
    by_table: Sequence[str] = (),
) -> QualityPlan:
    """The quality block, resolved: the replay audit is on wherever there is an audit share.

    ``by_table``: the pools in which a route table is tested too, by the checks that servers count by route.
    ``probed``: whether the synthetic probes that the spec may ask for are sent while it is in force.
    """
    checks = {check.name: check_spec(check, templates) for check in spec.quality.checks}
    checks.setdefault(CHECK_REPLAY_AUDIT, CheckSpec(name=CHECK_REPLAY_AUDIT, max_rate=_AUDIT_RATE))
    unaudited = [pool.name for pool in spec.pools if pool.name in pools and ratio(pool.sampler.audit_share) == 0]
    if pools and len(unaudited) == len(pools):
        checks = {name: check for name, check in checks.items() if name not in AUDITED}
    probes = spec.quality.probes if probed else None
    if probes is None:  # nobody judges answers then
        checks = {name: check for name, check in checks.items() if name not in PROBE_CHECKS}
    asked = [check_plan(check) for check in checks.values() if not check.report]
    routed = by_route(check for check in checks.values() if not check.report)
    return QualityPlan(
        metrics_source=spec.quality.metrics_source,
        false_rollback_rate=spec.quality.false_rollback_rate,
        pass_confidence=spec.quality.pass_confidence,
        design_effect=spec.quality.design_effect,
        checks=list(checks.values()),
        tests=count_tests(asked, pools, probes=probes is not None)
        + count_tests([plan for plan in asked if plan.name in routed], by_table, probes=probes is not None),
        probes=probes.requests_per_second if probes else "",
        unaudited=unaudited,
    )
