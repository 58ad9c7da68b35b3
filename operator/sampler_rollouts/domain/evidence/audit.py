"""The replay audit: an invariant, not a rate. A right sampler never differs from the oracle beyond the tolerance."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping

from quality_contract import AUDIT_KINDS

from sampler_rollouts.domain.evidence.counters import LabelKey
from sampler_rollouts.domain.evidence.grid import IntArray

CONFIRMED = 2
"""Pod-intervals with a mismatch that make it confirmed: a second pod, or a second scrape interval of the first."""
MOST_KINDS_NAMED = 3

_SIZE = re.compile(r"[0-9]{1,6}")


def mismatch_intervals(bad: IntArray) -> int:
    """How many pod-intervals hold at least one mismatch. ``bad`` has shape (pod-intervals,)."""
    return int((bad > 0).sum())


def confirmed_threshold() -> float:
    """ln of ``CONFIRMED``: the audit's ln e-value is ln of the number of pod-intervals with a mismatch."""
    return math.log(CONFIRMED)


def describe_mismatches(pods: Mapping[str, Mapping[LabelKey, int]]) -> str:
    """What differed, how often and on how many pods: by kind and batch bucket, the most frequent first."""
    total: Counter[tuple[str, str]] = Counter()
    for by_label in pods.values():
        for key, count in by_label.items():
            labels = dict(key)
            total[_kind(labels.get("kind", "")), _size(labels.get("batch_bucket", ""))] += count
    if not total:
        return ""
    # Equal counts by name: the order in which a store tells of its series means nothing.
    frequent = sorted(total.items(), key=lambda item: (-item[1], item[0]))[:MOST_KINDS_NAMED]
    named = [f"{count} x {kind} at batch {bucket}" for (kind, bucket), count in frequent]
    others = len(total) - len(named)
    more = [f"{others} other kinds or batches"] if others else []
    hit = sum(1 for by_label in pods.values() if any(by_label.values()))
    return f"{', '.join(named + more)}, on {hit} pod{'s' if hit != 1 else ''}"


def _kind(value: str) -> str:
    """A kind by its name in the contract. What else a server writes there may be anything, a user's words too (R26)."""
    return value if value in AUDIT_KINDS else "unknown"


def _size(value: str) -> str:
    """A batch size, or nothing that could be read as words."""
    return value if _SIZE.fullmatch(value) else "unknown"
