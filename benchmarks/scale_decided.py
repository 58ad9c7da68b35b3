"""Which scrape sufficed to take a bad build back: the same evaluation once more, scrape by scrape, as of that time.

The question follows from the status that the operator had written; the samples are read by the operator's own adapter
from the same source, which answers for any time. So what is measured is how long the operator took, and not how much
evidence a verdict needs.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sampler_rollouts.domain.decision import ResourceMeta, question
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.look import Verdict
from sampler_rollouts.domain.evidence.samples import Question
from sampler_rollouts.domain.status import Status
from sampler_rollouts.metrics.config import MetricsSource
from sampler_rollouts.metrics.prometheus import PrometheusSource

JUST_AFTER = 0.002
"""Seconds from a scrape to when it can be read."""


def asked(rollout: dict[str, Any]) -> Question | None:
    """What a look at this SamplerRollout asks about its candidate; None while that has no pod."""
    status = Status.load(rollout.get("status"))
    if status.candidate is None:
        return None
    found = question(ResourceMeta.of(rollout["metadata"]), rollout["spec"], status, datetime.now(UTC))
    return found if found is not None and any(arm.births and arm.compared for arm in found.arms) else None


def sufficed(source: MetricsSource, about: Question, scrapes: Iterable[float]) -> float | None:
    """The first of some scrapes, in Unix seconds, with which the release has failed; None if there is none."""
    for scrape in sorted(scrapes):
        now = datetime.fromtimestamp(scrape + JUST_AFTER, UTC)
        samples = PrometheusSource(source).fetch(about, now)
        if any(look.verdict is Verdict.FAILED for look in evaluate(about, samples, now).looks.values()):
            return scrape
    return None
