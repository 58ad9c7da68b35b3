"""The incidents of August and September 2025 as what a candidate does to requests, and to audited tokens.

Where the postmortem published a rate, it is that one; where it did not, the default is an assumption, and told as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quality_contract import CHECK_MISROUTED, CHECK_REPLAY_AUDIT, CHECK_UNEXPECTED_SCRIPT
from sampler_rollouts.domain.decision.quality import check_plan
from sampler_rollouts.domain.evidence.samples import CheckPlan
from sampler_rollouts.domain.plan import QualityPlan

from samplerctl.errors import InputError


@dataclass(frozen=True, slots=True)
class Incident:
    """What is wrong with the candidate: the rate at which ``check`` finds its requests (or audited tokens) bad.

    ``seldom`` is the share of scrapes in which it shows at all. An honest candidate has no ``check``.
    """

    words: str
    check: str = ""
    rate: float = 0.0
    published: bool = False
    seldom: float = 1.0


INCIDENTS: Mapping[str, Incident] = {
    "honest": Incident("as good as stable"),
    "I1": Incident("requests sent to servers of another context class", CHECK_MISROUTED, 0.008, published=True),
    "I2": Incident("answers with letters of a script that nobody asked for", CHECK_UNEXPECTED_SCRIPT, 0.02),
    "I3a": Incident("the best token is sometimes dropped, by mixed precision", CHECK_REPLAY_AUDIT, 0.0005),
    "I3b": Incident(
        "approximate top-k is wrong at some batch sizes, which one scrape in four sees",
        CHECK_REPLAY_AUDIT,
        0.01,
        seldom=0.25,
    ),
}

USUAL_PART = 0.1
"""What the usual rate is of the rate that a check allows, unless it is given: margins of ten times the usual."""
USUAL_WITHOUT_LIMIT = 0.0005


def usual_rates(checks: list[CheckPlan], given: Mapping[str, float]) -> dict[str, float]:
    """The rate of both releases by check, where nothing is wrong: a right sampler has no mismatch in the audit."""
    unknown = sorted(given.keys() - {check.name for check in checks})
    if unknown:
        raise InputError(f"--usual: {unknown[0]} is not a check of the rollout: it has {_names(checks)}")
    return {check.name: given.get(check.name, _usual(check)) for check in checks}


def _usual(check: CheckPlan) -> float:
    if check.name == CHECK_REPLAY_AUDIT:
        return 0.0
    allowed = check.ignore_below or check.max_rate
    return allowed * USUAL_PART if allowed > 0 else USUAL_WITHOUT_LIMIT


def need_check(incident: Incident, quality: QualityPlan, pools: list[str]) -> None:
    """InputError where no check of the rollout could see the incident, in which nothing but luck would stop it."""
    names = [check.name for check in quality.checks]
    if incident.check and incident.check not in names:
        remedy = (
            "raise sampler.auditShare above 0"
            if incident.check == CHECK_REPLAY_AUDIT
            else f'add {{name: {incident.check}, maxRate: "0.5%"}}'
        )
        raise InputError(f"spec.quality.checks has no {incident.check}, the check that sees this incident: {remedy}")
    if incident.check == CHECK_REPLAY_AUDIT and set(quality.unaudited) >= set(pools):
        raise InputError("spec.pools: no pool is audited: raise sampler.auditShare above 0")


def _names(checks: list[CheckPlan]) -> str:
    return ", ".join(check.name for check in checks)


def simulated_plans(quality: QualityPlan) -> list[CheckPlan]:
    """The checks; InputError for one whose data are not simulated."""
    if any(check.max_bias_nats for check in quality.checks):
        raise InputError("spec.quality.checks: calibration is about nats, which are not simulated: leave it out")
    if named := [check.name for check in quality.checks if check.template]:
        raise InputError(f"spec.quality.checks: data of templates are not simulated: leave out {', '.join(named)}")
    return [check_plan(check) for check in quality.checks]
