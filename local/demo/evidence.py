"""The evidence over time, recomputed: the operator's own function, asked again for each moment of a rollout (R3)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sampler_rollouts.domain.decision import ResourceMeta, question, release_under_test
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.look import CheckLook
from sampler_rollouts.domain.evidence.samples import Arm, Question, SampleSet
from sampler_rollouts.domain.status import Status
from sampler_rollouts.metrics.config import MetricsSource
from sampler_rollouts.metrics.prometheus import PrometheusSource

from local.demo.recording import CheckPoint, ReleaseRecord

# JSON knows no infinity, and no drawing needs more.
_LARGEST_LOG = 700.0


def asked(seen: Iterable[tuple[float, Mapping[str, Any]]]) -> Question | None:
    """The last question of a turn about the release that was tried: its births hold all of the candidate's pods.

    What the operator asks of a release that serves, in its bake and after it, is another question.
    """
    found = None
    for at, raw in seen:
        meta, status = ResourceMeta.of(raw["metadata"]), Status.load(raw.get("status"))
        if release_under_test(status) is not None:
            found = question(meta, raw.get("spec") or {}, status, datetime.fromtimestamp(at, UTC)) or found
    return found


def fetch(wanted: Question, url: str, scrape_interval: float) -> SampleSet:
    """All raw samples of the rollout up to now."""
    source = MetricsSource(url=url, scrape_interval=scrape_interval, timeout=20.0)
    return PrometheusSource(source, folding=False).fetch(wanted, datetime.now(UTC))


def over_time(wanted: Question, samples: SampleSet, until: float) -> list[CheckPoint]:
    """One look each second or two from the candidate's first pod to ``until`` (Unix seconds)."""
    births = [birth.timestamp() for arm in wanted.arms for birth in arm.births.values()]
    if not births or samples.unavailable:
        return []
    start = min(births)
    every = 1.0 if until - start < 120 else 2.0
    count = max(0, math.ceil((until - start) / every))
    moments = [min(start + every * i, until) for i in range(1, count + 1)]
    return [point for at in moments for point in _points(wanted, samples, at)]


def note(record: ReleaseRecord, seen: Iterable[tuple[float, Mapping[str, Any]]], url: str, interval: float) -> None:
    """Recompute a release's evidence and put it, or why there is none, into the record."""
    wanted = asked(seen)
    if wanted is None:
        record.evidence_note = "No evidence to draw: nothing was under test while there was traffic."
        return
    samples = fetch(wanted, url, interval)
    if samples.unavailable:
        record.evidence_note = f"No evidence drawn: Prometheus did not answer ({samples.unavailable})."
        return
    # The first release is not tried before it serves: its checks run while it bakes.
    # The decision's time has whole seconds only: the look that led to it may have been up to a second later.
    until = record.ended_at if record.number == 1 or record.decided_at is None else record.decided_at + 1
    record.evidence = over_time(wanted, samples, until)
    record.evidence_note = ""


def _points(wanted: Question, samples: SampleSet, at: float) -> Iterator[CheckPoint]:
    now = datetime.fromtimestamp(at, UTC)
    then = replace(wanted, arms=tuple(_born_by(arm, now) for arm in wanted.arms))
    looks = evaluate(then, samples, now).looks.values()
    if any(look.checked for look in looks):
        yield from (_point(look, at) for look in looks)


def _born_by(arm: Arm, now: datetime) -> Arm:
    """The arm without what had not happened yet; which pods served at the end says nothing of an earlier moment."""
    return replace(arm, births={pod: birth for pod, birth in arm.births.items() if birth <= now}, serving=None)


def _point(look: CheckLook, at: float) -> CheckPoint:
    return CheckPoint(
        at=at,
        pool=look.pool,
        check=look.check,
        checked=look.checked,
        bad=look.bad,
        max_rate=look.max_rate,
        upper_bound=look.upper_bound,
        log_e=min(max(look.log_e, -_LARGEST_LOG), _LARGEST_LOG),
        log_threshold=look.log_threshold,
        verdict=look.verdict.value,
        reason=look.reason,
    )
