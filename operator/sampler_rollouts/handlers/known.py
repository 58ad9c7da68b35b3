"""What the last decision said of each rollout, as Prometheus reads it: written once for each decision, not for each
scrape, and kept compressed. There are sixty lines of a rollout of four pools.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.utils import floatToGoString

from sampler_rollouts.domain.decision.context import table_wave
from sampler_rollouts.domain.decision.stages import FORWARD
from sampler_rollouts.metrics import told

if TYPE_CHECKING:
    from sampler_rollouts.cluster.kinds import RolloutKey
    from sampler_rollouts.domain.evidence.look import CheckLook
    from sampler_rollouts.domain.status import Status

WHOSE: Final = ("namespace", "rollout")
_POOL: Final = (*WHOSE, "pool")
_CHECK: Final = (*WHOSE, "pool", "check")
_FAMILIES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "rollout_stage": ("1 for the stage that a rollout is in.", (*WHOSE, "stage")),
    "rollout_condition": ("1 for the status that a condition has.", (*WHOSE, "condition", "status", "reason")),
    "rollout_metrics_available": ("1 if the rollout's metrics source answered its last look.", WHOSE),
    told.WEIGHT_WANTED: ("Share of a pool wanted for the revision it moves to, or serves.", _POOL),
    told.WEIGHT_OBSERVED: ("That revision's share of the pool: by the route in force, or by ready pods.", _POOL),
    told.TABLE_WEIGHT: ("Weight wanted for the route table that is tried: 0 before its wave and as it leaves.", WHOSE),
    "pool_replicas_ready": ("Ready pods of a pool.", _POOL),
    "pool_requests_unaccounted": ("Requests that the gateway sent and no pod under test accounts for.", _POOL),
    told.CHECK_REQUESTS: ("Checked requests (or audited tokens) of the release under test.", _CHECK),
    told.CHECK_BAD: ("How many of them were bad.", _CHECK),
    told.CHECK_BOUND: ("Upper confidence bound of the share of bad requests.", _CHECK),
    told.CHECK_EVIDENCE: ("Log evidence against the release over its threshold: 1 is Failed.", _CHECK),
    "check_unconfirmed_evidence_ratio": ("The same before it is confirmed that stable is not as bad.", _CHECK),
    "check_verdict": ("1 for the verdict that a check has.", (*_CHECK, "verdict", "reason")),
}
_Said = tuple[str, tuple[str, ...], float]
"""Family, values of its labels, value."""


def families() -> list[GaugeMetricFamily]:
    """Without samples."""
    return [
        GaugeMetricFamily(f"{told.PREFIX}_{name}", text, labels=labels) for name, (text, labels) in _FAMILIES.items()
    ]


def written(
    key: RolloutKey, status: Status, looks: Mapping[tuple[str, str], CheckLook], available: bool | None
) -> bytes:
    """One rollout's lines, family by family. ``available``: whether its source answered; None if it was not asked."""
    lines: dict[str, list[str]] = {name: [] for name in _FAMILIES}
    for name, values, value in (*_of_rollout(tuple(key), status, available), *_of_looks(tuple(key), looks)):
        labels = ",".join(f'{label}="{_escaped(text)}"' for label, text in zip(_FAMILIES[name][1], values, strict=True))
        number = floatToGoString(value)  # type: ignore[no-untyped-call]
        lines[name].append(f"{told.PREFIX}_{name}{{{labels}}} {number}\n")
    return zlib.compress("\0".join("".join(found) for found in lines.values()).encode(), 1)


def exposition(every: Iterable[bytes]) -> bytes:
    """All rollouts' lines in Prometheus' text format: those of one family follow one another."""
    columns = zip(*(zlib.decompress(one).split(b"\0") for one in every), strict=True)
    bodies = list(map(b"".join, columns)) or [b""] * len(_FAMILIES)
    parts = (
        f"# HELP {told.PREFIX}_{name} {text}\n# TYPE {told.PREFIX}_{name} gauge\n".encode() + body
        for (name, (text, _)), body in zip(_FAMILIES.items(), bodies, strict=True)
    )
    return b"".join(parts)


def _of_rollout(whose: tuple[str, ...], status: Status, available: bool | None) -> Iterator[_Said]:
    yield "rollout_stage", (*whose, status.stage.value), 1
    for condition in status.conditions:
        yield "rollout_condition", (*whose, condition.type, condition.status, condition.reason), 1
    if available is not None:
        yield "rollout_metrics_available", whose, available
    rollout = status.rollout
    if rollout is not None and rollout.table is not None:
        on = table_wave(rollout) and status.stage in FORWARD
        yield told.TABLE_WEIGHT, whose, rollout.weight / 100 if on else 0
    for pool in status.pools:
        labels = (*whose, pool.name)
        yield told.WEIGHT_WANTED, labels, pool.weight / 100
        yield told.WEIGHT_OBSERVED, labels, pool.observed_weight / 100
        yield "pool_replicas_ready", labels, pool.ready
        if pool.unaccounted and not pool.unaccounted.unknown:
            yield "pool_requests_unaccounted", labels, pool.unaccounted.lost


def _of_looks(whose: tuple[str, ...], looks: Mapping[tuple[str, str], CheckLook]) -> Iterator[_Said]:
    for look in looks.values():
        labels = (*whose, look.pool, look.check)
        yield told.CHECK_REQUESTS, labels, look.checked
        yield told.CHECK_BAD, labels, look.bad
        yield told.CHECK_BOUND, labels, look.upper_bound
        if look.log_threshold > 0:
            yield told.CHECK_EVIDENCE, labels, max(0.0, look.log_e) / look.log_threshold
            unconfirmed = max(0.0, look.log_e, look.unproven) / look.log_threshold
            yield "check_unconfirmed_evidence_ratio", labels, unconfirmed
        yield "check_verdict", (*labels, look.verdict.value, look.reason), 1


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"").replace("\0", "")
