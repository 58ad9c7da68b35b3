"""Which samples answer which question: the candidate's own pods from zero, stable from after its birth (R14)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from quality_contract import (
    AUDIT_MISMATCH,
    AUDIT_TOKENS,
    BAD,
    CHECK_ERRORS,
    CHECK_REPLAY_AUDIT,
    CHECKED,
    LABEL_CHECK,
)

from sampler_rollouts.domain.evidence.counters import Drops, LabelKey, Track, milliseconds, tracks
from sampler_rollouts.domain.evidence.intervals import Increments, PairedTracks, pod_increments
from sampler_rollouts.domain.evidence.look import Traffic
from sampler_rollouts.domain.evidence.samples import Arm, CheckPlan, Question, SampleSet, Series

BIRTH_TOLERANCE = timedelta(seconds=2)
"""Kubernetes cuts creation times to whole seconds: a pod seen this little before the rollout is the rollout's."""
FRESH_SCRAPES = 3


@dataclass(frozen=True, slots=True)
class Window:
    """The time a look covers: Unix milliseconds, but for ``since``. Samples older than ``oldest_fresh`` are stale."""

    since: datetime
    until: int
    oldest_fresh: int

    def from_zero(self, birth: datetime) -> bool:
        """Whether a pod first seen at ``birth`` was created by this rollout."""
        return birth >= self.since - BIRTH_TOLERANCE


def window_of(question: Question, samples: SampleSet, now: datetime) -> Window:
    """The window of a look at ``now``. Both times must be aware of their time zone."""
    until = milliseconds(now.timestamp())
    return Window(question.since, until, until - milliseconds(FRESH_SCRAPES * samples.scrape_interval))


class Reader:
    """The samples of one look, by pool, revision, metric and pod. Pure: reading changes nothing."""

    def __init__(self, samples: SampleSet, window: Window) -> None:
        self.window = window
        self._by_place: dict[tuple[str, str, str], dict[str, list[Series]]] = {}
        for series in samples.series:
            pods = self._by_place.setdefault((series.pool, series.revision, series.metric), {})
            pods.setdefault(series.pod, []).append(series)

    def _pods(self, pool: str, revision: str, metric: str) -> Mapping[str, list[Series]]:
        return self._by_place.get((pool, revision, metric), {})

    def newest(self, arm: Arm) -> dict[str, int]:
        """Time of the newest sample of any check by candidate pod; pods without one are absent."""
        until = self.window.until
        found = {}
        for pod, series in self._pods(arm.pool, arm.revision, CHECKED).items():
            times = [time for one in series for time in one.times if 0 <= time * 1000 <= until]  # no NaN is
            if pod in arm.births and times:
                found[pod] = milliseconds(max(times))
        return found

    def check(self, arm: Arm, plan: CheckPlan) -> dict[str, Increments]:
        """The pod-intervals of one check by candidate pod, for every pod of ``births``."""
        return {pod: self._candidate(arm, plan, pod, birth) for pod, birth in arm.births.items()}

    def traffic(self, arm: Arm) -> Traffic:
        """Requests of both arms that the ``errors`` check counted since the rollout started."""
        errors = {LABEL_CHECK: CHECK_ERRORS}
        candidate = sum(self._ended(arm.pool, arm.revision, pod, errors, birth) for pod, birth in arm.births.items())
        stable_pods = self._pods(arm.pool, arm.stable_revision, CHECKED).keys() - arm.births.keys()
        stable = sum(self._ended(arm.pool, arm.stable_revision, pod, errors, None) for pod in stable_pods)
        return Traffic(candidate=candidate, stable=stable)

    def _candidate(self, arm: Arm, plan: CheckPlan, pod: str, birth: datetime) -> Increments:
        audit = plan.name == CHECK_REPLAY_AUDIT
        wanted = dict(plan.labels) if audit else {**plan.labels, LABEL_CHECK: plan.name}
        metrics = (AUDIT_TOKENS, AUDIT_MISMATCH) if audit else (CHECKED, BAD)
        drops: Drops = Counter()
        after = self._after(birth)
        checked, bad = (self._tracks(arm.pool, arm.revision, metric, pod, wanted, after, drops) for metric in metrics)
        groups = [PairedTracks(checked, bad)] if audit else _same_labels(checked, bad)
        return pod_increments(groups, after is None, drops)

    def _ended(self, pool: str, revision: str, pod: str, wanted: Mapping[str, str], birth: datetime | None) -> int:
        after = self._after(birth)
        found = self._tracks(pool, revision, CHECKED, pod, wanted, after, Counter())
        return int(pod_increments([PairedTracks(found, found)], after is None, Counter()).checked.sum())

    def _after(self, birth: datetime | None) -> int | None:
        """The base line's earliest time, or None for a pod that counts from zero."""
        if birth is not None and self.window.from_zero(birth):
            return None
        return milliseconds(self.window.since.timestamp())

    def _tracks(
        self,
        pool: str,
        revision: str,
        metric: str,
        pod: str,
        wanted: Mapping[str, str],
        after: int | None,
        drops: Drops,
    ) -> dict[LabelKey, Track]:
        series = self._pods(pool, revision, metric).get(pod, [])
        return tracks(_matching(series, wanted), after, self.window.until, drops)


def _matching(series: Iterable[Series], wanted: Mapping[str, str]) -> list[Series]:
    return [one for one in series if wanted.items() <= one.labels.items()]


def _same_labels(checked: Mapping[LabelKey, Track], bad: Mapping[LabelKey, Track]) -> list[PairedTracks]:
    """Quality counters come in pairs of the very same labels; one without its twin is a group of its own."""
    return [
        PairedTracks({key: checked[key]} if key in checked else {}, {key: bad[key]} if key in bad else {})
        for key in sorted(checked.keys() | bad.keys())
    ]
