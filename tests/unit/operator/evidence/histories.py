"""Histories as bad as stores give them, and worse: what folding and reading piece by piece are tested on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from quality_contract import AUDIT_MISMATCH, AUDIT_TOKENS, BAD, CHECKED
from quality_contract.latency import BUCKET, COUNT, REQUEST_DURATION
from sampler_rollouts.domain.evidence.draws import COUNTERS
from sampler_rollouts.domain.evidence.samples import Question, Series

from tests.unit.operator.evidence.build import (
    AUDIT,
    CALIBRATION,
    ERRORS,
    LATENCY,
    NAN,
    SCRIPT,
    at,
    question,
    series,
)

SCRAPES = 24
BIRTHS = {"c1": at(0.5), "c2": at(9), "old": at(-100)}
"""One pod of the first look, one that appears later, and one older than the rollout."""
COMPARED = replace(SCRIPT, max_ratio=2.0, ignore_below=0.005)
SLOW = replace(LATENCY, max_ratio=1.5)
ASKED = question(ERRORS, COMPARED, AUDIT, SLOW, CALIBRATION, births=BIRTHS, compared=True)

FAMILIES: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    (CHECKED, BAD, {"check": "errors", "route_hash": "none"}),
    (CHECKED, BAD, {"check": "errors", "route_hash": "late"}),
    (CHECKED, BAD, {"check": "unexpected-script", "route_hash": "none"}),
    (REQUEST_DURATION + COUNT, REQUEST_DURATION + BUCKET, {"checked": "true"}),
    (AUDIT_TOKENS, AUDIT_MISMATCH, {"batch_bucket": "1", "mode": "greedy"}),
    (AUDIT_TOKENS, AUDIT_MISMATCH, {"batch_bucket": "8", "mode": "greedy"}),
)
SECOND: Mapping[str, Mapping[str, str]] = {
    AUDIT_MISMATCH: {"kind": "other-token"},
    REQUEST_DURATION + BUCKET: {"le": "2.5"},
}
"""Labels that the second counter has beside the first one's."""


def history_of(seed: int, trouble: float) -> list[Series]:
    """All pods' counters over ``SCRAPES`` scrapes: mostly honest, with restarts, gaps, NaN and contradictions."""
    random = np.random.default_rng(seed)
    found = [one for pod in BIRTHS for one in _pod(random, pod, "new", trouble)]
    found += [one for one in _pod(random, "s1", "old", trouble) if not one.metric.startswith("sampler_audit")]
    return [one for one in found if len(one.times)]


def histories() -> st.SearchStrategy[list[Series]]:
    """Histories that are told by what they are made of: their samples would fill pages."""
    return st.builds(history_of, st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.1]))


def _pod(random: np.random.Generator, pod: str, revision: str, trouble: float) -> list[Series]:
    born = int(random.integers(10, 13)) if pod == "c2" else int(random.integers(-3, 3))
    life = np.arange(born, SCRAPES)
    missed = random.random(life.size) < trouble * 2
    restarts = np.cumsum(random.random(life.size) < trouble)
    found = []
    for checked, bad, labels in FAMILIES:
        start = int(random.integers(0, life.size)) if labels.get("route_hash") == "late" else 0
        traffic = random.integers(0, 9, life.size) * (life >= born + start)
        faults = np.minimum(random.binomial(9, random.choice([0.0, 0.05, 0.4]), life.size), traffic)
        kind = SECOND.get(bad, {})
        for metric, gains, more in ((checked, traffic, {}), (bad, faults, kind)):
            values = _counter(gains, restarts).astype(np.float64)
            values[random.random(life.size) < trouble / 4] = random.choice([NAN, -1.0, 0.5, 2.0])
            hidden = missed | (life < born + start) | (random.random(life.size) < trouble / 4)
            shown = [None if gone else float(value) for gone, value in zip(hidden, values, strict=True)]
            found.append(series(metric, shown, pod=pod, revision=revision, first=born, **labels, **more))
    return found + _draws(random, pod, revision, born, restarts, trouble)


def _draws(
    random: np.random.Generator, pod: str, revision: str, born: int, restarts: np.ndarray, trouble: float
) -> list[Series]:
    """The counters of calibration: sums of numbers with fractions."""
    found = []
    for mode in ("full", "truncated"):
        missed = random.random(restarts.size) < trouble
        late = np.arange(restarts.size) < (0 if mode == "full" else random.integers(0, restarts.size))
        count = random.integers(0, 300, restarts.size) * ~late
        bias = random.choice([0.0, 0.4, -0.4])
        entropy = random.uniform(0.5, 2.0, restarts.size) * count
        surprisal = np.maximum(0.0, entropy + bias * count + random.normal(0, 1, restarts.size) * np.sqrt(count))
        for metric, gains in zip(COUNTERS, (count, surprisal, entropy, count * 1.1), strict=True):
            values = _counter(gains, restarts).astype(np.float64)
            values[random.random(values.size) < trouble / 8] = random.choice([NAN, -1.0, 2.0])
            still = np.arange(restarts.size) < late.sum() + (random.random() < trouble) * random.integers(0, 4)
            hidden = missed | still | (random.random(values.size) < trouble / 8)
            shown = [None if gone else float(value) for gone, value in zip(hidden, values, strict=True)]
            found.append(series(metric, shown, pod=pod, revision=revision, first=born, batch_bucket="8", mode=mode))
    return found


def _counter(gains: np.ndarray, restarts: np.ndarray) -> np.ndarray:
    """Running sums that begin anew with each process."""
    total = np.cumsum(gains)
    lost = np.array([total[restarts < run][-1] if run and (restarts < run).any() else 0 for run in restarts])
    return np.asarray(total - lost)


def between(one: Series, after: float, until: float) -> Series:
    """The samples of a series later than ``after`` and up to ``until``, in Unix seconds."""
    kept = [(time, value) for time, value in zip(one.times, one.values, strict=True) if after < time <= until]
    return replace(one, times=tuple(time for time, _ in kept), values=tuple(value for _, value in kept))


def born_by(asked: Question, now: float) -> Question:
    """The question as it is at a scrape: pods that are not born yet are not in it."""
    arm = asked.arms[0]
    births = {pod: birth for pod, birth in arm.births.items() if birth <= at(now)}
    return replace(asked, arms=(replace(arm, births=births),))
