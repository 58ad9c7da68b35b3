"""Samples that no later look needs one by one, folded into what they gave (R3): the evidence stays the very same.

A look then costs what has come since the last one, not what has come since the rollout started.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from sampler_rollouts.domain.evidence.arrays import Cut, in_milliseconds
from sampler_rollouts.domain.evidence.counters import milliseconds
from sampler_rollouts.domain.evidence.intervals import Folded, Increments, no_counts
from sampler_rollouts.domain.evidence.reading import Reader, Window
from sampler_rollouts.domain.evidence.samples import (
    BEGUN,
    TRAFFIC,
    Arm,
    CheckPlan,
    Place,
    Question,
    SampleSet,
    Series,
    has_users,
    is_compared,
    is_scored,
    probed,
)
from sampler_rollouts.domain.evidence.shiryaev import INTERVAL_SECONDS


def fold(question: Question, samples: SampleSet, horizon: int, at_least: int = 0) -> SampleSet:
    """The same samples with those up to ``horizon`` (Unix milliseconds) folded, where that is exact.

    For every question with these checks, births and start (and ``alone``, if this one is), with whatever samples come
    after ``horizon``, and at any time from then on ``evaluate`` finds what it finds in all samples; only a copy of a
    counter that appears later would make a difference (``copies``). Where a route table is tested nothing is folded.
    Pods with at most ``at_least`` samples up to there are left as they are.
    """
    if any(arm.route for arm in question.arms):
        return samples  # two arms of the same pods
    long = _long(samples.series, horizon, at_least)
    if not long:
        return samples
    reader = Reader(samples, Window(question.since, horizon, 0))
    folded = dict(samples.folded)
    cuts: dict[tuple[str, str, str], int] = {}
    for arm, pod, birth in _pods(question, reader):
        place = (arm.pool, arm.stable_revision if birth is None else arm.revision, pod)
        cut = reader.cut(*place, birth, question.checks) if place in long else None
        if cut is not None:
            cuts[place] = cut
            folded |= _pod(question, samples, arm, pod, birth, cut)
    # What is left: the sample at the cut, as the base line, and all later ones.
    left = {cut: Cut(functools.partial(operator.le, cut)) for cut in cuts.values()}
    places = ((one, cuts.get((one.pool, one.revision, one.pod))) for one in samples.series)
    series = tuple(one if cut is None else left[cut](one) for one, cut in places)
    return replace(samples, series=series, folded=folded)


def copies(series: Iterable[Series]) -> set[str]:
    """The pods that have a counter more than once."""
    seen: set[object] = set()
    found = set()
    for one in series:
        key = (one.metric, one.pool, one.revision, one.pod, frozenset(one.labels.items()))
        if key in seen:
            found.add(one.pod)
        seen.add(key)
    return found


def _pods(question: Question, reader: Reader) -> Iterator[tuple[Arm, str, datetime | None]]:
    """Every pod that is read, with its birth, or None for stable's."""
    for arm in question.arms:
        yield from ((arm, pod, birth) for pod, birth in arm.births.items())
        yield from ((arm, pod, None) for pod in reader.stable_pods(arm))


def _long(series: Iterable[Series], horizon: int, at_least: int) -> set[tuple[str, str, str]]:
    """Folding costs as much as a look, so it waits until there is something to fold."""
    return {
        (one.pool, one.revision, one.pod)
        for one in series
        if len(one.times) > at_least and int((in_milliseconds(one.times) <= horizon).sum()) > at_least
    }


def _pod(
    question: Question, samples: SampleSet, arm: Arm, pod: str, birth: datetime | None, cut: int
) -> Iterator[tuple[Place, Folded]]:
    """All that is counted of one pod, up to and including ``cut``."""
    reader = Reader(samples, Window(question.since, cut, 0))
    place = (arm.pool, arm.stable_revision if birth is None else arm.revision)

    def folded(plan: CheckPlan, *, probes: bool = False) -> Folded:
        found = reader.pod(*place, plan, pod, birth, probes=probes)
        if question.alone:
            found = found.condensed(milliseconds(question.since.timestamp()), 1000 * INTERVAL_SECONDS)
        return Folded(cut, found, pack=question.alone)

    for plan in question.checks:
        if birth is not None or is_compared(plan) or is_scored(plan):
            yield (*place, pod, plan.name), folded(plan)
            if question.probes and has_users(plan):
                yield (*place, pod, probed(plan.name)), folded(plan, probes=True)
    yield (*place, pod, TRAFFIC), Folded(cut, _total(reader.ended(*place, pod, birth)), pack=question.alone)
    if question.routed and (begun := reader.begun(*place, pod, birth)) is not None:
        yield (*place, pod, BEGUN), Folded(cut, begun, pack=question.alone)


def _total(ended: Increments) -> Increments:
    """Of traffic only the sum is asked."""
    total = {name: getattr(ended, name).sum(keepdims=True) for name in ("checked", "bad")}
    return replace(ended, **total, started=no_counts(), ended=no_counts())
