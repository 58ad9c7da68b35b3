"""What the operator said in its own metrics over time: for drawings, never for a decision (R14).

The names stand here because both sides need them: the operator shows them, this reads them back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from quality_contract import LABEL_CHECK, TARGET_NAMESPACE, TARGET_POOL, TARGET_ROLLOUT

from sampler_rollouts.domain.evidence.counters import milliseconds
from sampler_rollouts.metrics.config import MetricsSource
from sampler_rollouts.metrics.deadline import Deadline
from sampler_rollouts.metrics.envelope import SourceProblem
from sampler_rollouts.metrics.exchange import Exchange
from sampler_rollouts.metrics.selectors import Selector, plain

PREFIX: Final = "sampler_rollouts"
WEIGHT_WANTED: Final = "pool_weight_wanted_ratio"
WEIGHT_OBSERVED: Final = "pool_weight_observed_ratio"
TABLE_WEIGHT: Final = "route_table_weight_wanted_ratio"
CHECK_REQUESTS: Final = "check_requests"
CHECK_BAD: Final = "check_bad_requests"
CHECK_BOUND: Final = "check_upper_bound_ratio"
CHECK_EVIDENCE: Final = "check_evidence_ratio"
DRAWN: Final = (
    WEIGHT_WANTED, WEIGHT_OBSERVED, TABLE_WEIGHT, CHECK_REQUESTS, CHECK_BAD, CHECK_BOUND, CHECK_EVIDENCE
)  # fmt: skip

Points: TypeAlias = Sequence[tuple[float, float]]
"""Unix seconds and values, in order of time."""


@dataclass(frozen=True, slots=True)
class Told:
    """Weights and shares as parts of 1; evidence as a part of its threshold. ``problem``: why there is nothing."""

    pools: Mapping[tuple[str, str], Points]
    """By metric and pool: WEIGHT_WANTED, WEIGHT_OBSERVED."""
    checks: Mapping[tuple[str, str, str], Points]
    """By metric, pool and check: all others."""
    problem: str = ""
    table: Points = ()
    """TABLE_WEIGHT: of the route table that is tried."""


def read(source: MetricsSource, namespace: str, rollout: str, start: datetime, end: datetime) -> Told:
    """The raw samples of one rollout. Never raises SourceProblem: what went wrong is said."""
    try:
        names = tuple(f"{PREFIX}_{name}" for name in DRAWN)
        places = ((TARGET_NAMESPACE, plain(namespace)), (TARGET_ROLLOUT, plain(rollout)))
        with Exchange(source, Deadline(source.timeout)) as exchange:
            span = milliseconds(start.timestamp()), milliseconds(end.timestamp())
            return _told(exchange.ranges(str(Selector(names, places, ())), *span))
    except SourceProblem as problem:
        return Told({}, {}, problem.message)


def _told(result: list[object]) -> Told:
    """By place. An operator that restarted, or its other replica, has a series of its own: they follow one another."""
    pools: dict[tuple[str, str], dict[float, float]] = defaultdict(dict)
    checks: dict[tuple[str, str, str], dict[float, float]] = defaultdict(dict)
    table: dict[float, float] = {}
    for item in result:
        labels, points = _series(item)
        name, pool, check = (labels.get(key, "") for key in ("__name__", TARGET_POOL, LABEL_CHECK))
        name = name.removeprefix(f"{PREFIX}_")
        if name in (WEIGHT_WANTED, WEIGHT_OBSERVED):
            pools[name, pool] |= points
        elif name == TABLE_WEIGHT:
            table |= points
        elif name in DRAWN:
            checks[name, pool, check] |= points
    empty = "" if pools or checks else "it has no series of the operator's own metrics for this SamplerRollout"
    return Told(
        {key: sorted(points.items()) for key, points in pools.items()},
        {key: sorted(points.items()) for key, points in checks.items()},
        empty,
        sorted(table.items()),
    )


def _series(item: object) -> tuple[dict[str, str], dict[float, float]]:
    """Labels and finite values by time. Raises SourceProblem for what is no series."""
    try:
        labels = {str(key): str(value) for key, value in item["metric"].items()}  # type: ignore[index]
        points = {float(time): float(value) for time, value in item["values"]}  # type: ignore[index]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise SourceProblem("InvalidAnswer", "the source's answer holds a malformed series") from None
    return labels, {time: value for time, value in points.items() if abs(value) < float("inf")}
