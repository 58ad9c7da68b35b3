"""What one rollout's looks have read so far: old samples folded, recent ones as they were read.

It is a cache and nothing else. A look that finds it asks for the recent samples only; without it (a restart, a new
question) everything is read once more, and the evidence is the same (R3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sampler_rollouts.domain.evidence.arrays import Cut, Join, shared
from sampler_rollouts.domain.evidence.counters import milliseconds
from sampler_rollouts.domain.evidence.fold import copies, fold
from sampler_rollouts.domain.evidence.samples import Question, SampleSet, Series
from sampler_rollouts.metrics.envelope import Identity
from sampler_rollouts.metrics.gateway import SentBook
from sampler_rollouts.metrics.overlap import digest, going_on, newest_of

BEFORE_SCRAPES = 3
"""How far before the rollout's start reading begins; the evidence decides what of it counts."""
FOLD_SCRAPES = 40
"""Scrapes that are folded at once. Folding costs as much as a look."""
MOST_SAMPLES = 4_000_000
"""Unfolded samples of one rollout: 64 MB. Only what cannot be folded (copies, counters that go missing) adds up."""

Key = tuple[object, ...]


def key_of(question: Question) -> Key:
    """What the samples depend on, but for the births: those may grow."""
    arms = tuple((arm.pool, arm.revision, arm.stable_revision, arm.route, arm.stable_route) for arm in question.arms)
    checks = tuple(
        (
            *(plan.name, plan.slower_than, plan.metrics, plan.largest, frozenset(plan.labels.items())),
            *(plan.bad_label, plan.bad_values),
        )
        for plan in question.checks
    )
    return question.namespace, question.rollout, question.since, arms, checks, question.probes, question.routed


def births_of(question: Question) -> dict[str, datetime]:
    """Every candidate pod."""
    return {pod: birth for arm in question.arms for pod, birth in arm.births.items()}


@dataclass
class History:
    """Times in Unix milliseconds. ``read_until``: everything before it has been asked for; None at first.

    ``floor``: no sample before it is asked for again, so samples up to it can be folded.
    """

    key: Key
    first: int
    scrape: int
    folding: bool
    span: int = 0
    read_until: int | None = None
    floor: int = 0
    births: dict[str, datetime] = field(default_factory=dict)
    samples: SampleSet = field(default_factory=SampleSet)
    sent: SentBook = field(init=False)
    """What gateways count of the requests that they sent to these pods."""
    _series: dict[bytes, Series] = field(default_factory=dict)
    """By a digest of all labels."""
    _alone: bool = False
    """Whether something was folded for a release that serves alone: that serves no comparison."""

    def __post_init__(self) -> None:
        self.sent = SentBook(self.scrape)

    @classmethod
    def begin(cls, question: Question, scrape_interval: float, folding: bool) -> History:
        """Nothing read yet."""
        first = milliseconds(question.since.timestamp() - BEFORE_SCRAPES * scrape_interval)
        return cls(key_of(question), first, milliseconds(scrape_interval), folding, floor=first)

    def serves(self, question: Question, now: int) -> bool:
        """Whether it can be read on for this question: the same one, with the same births, and no clock set back."""
        births = births_of(question)
        same = all(births[pod] == birth for pod, birth in self.births.items() if pod in births)
        same = same and (question.alone or not self._alone)
        return same and self.key == key_of(question) and (self.read_until is None or now >= self.read_until)

    def resume(self) -> int:
        """Where the next look begins."""
        newest = newest_of(self._series.values())
        if self.read_until is None or not newest:
            return self.first
        return max(self.floor, going_on(self.read_until, newest, max(newest), self.scrape))

    def take(self, answer: Mapping[Identity, Series], start: int, pods: Iterable[str] = ()) -> None:
        """Put an answer in the place of what was known from ``start`` on: of all series, or of these pods' only."""
        self.sent.meet(answer)
        only = frozenset(pods)
        found = {digest(identity): one for identity, one in answer.items()}
        earlier, later, join = Cut(lambda times: times < start), Cut(lambda times: times >= start), Join()
        known = {
            identity: earlier(one) if not only or one.pod in only else one for identity, one in self._series.items()
        }
        for identity, one in found.items():
            known[identity] = join(known[identity], later(one)) if identity in known else later(one)
        self._keep({identity: one for identity, one in known.items() if len(one.times)}, self.samples)

    def advance(self, question: Question, end: int) -> None:
        """All has been read up to ``end``; fold what is not asked for again."""
        self.read_until = end
        self.floor = self.resume()
        self.condense(question)

    def condense(self, question: Question) -> None:
        """Fold what can be."""
        if not self.folding:
            return
        done = fold(question, self.samples, self.floor, FOLD_SCRAPES)
        if done is not self.samples:
            self._keep(dict(zip(self._series, shared(done.series), strict=True)), done)
            self._alone = self._alone or question.alone

    @property
    def full(self) -> bool:
        """Whether it holds as much as it may."""
        return sum(len(one.times) for one in self.samples.series) >= MOST_SAMPLES

    def copied(self) -> set[str]:
        """Pods that are folded although a copy of a counter has come up since: they have to be read anew."""
        folded = {place[2] for place in self.samples.folded}
        return folded & copies(self._series.values()) if folded else set()

    def forget(self, pods: Iterable[str]) -> None:
        """Nothing has been read of these pods."""
        gone = frozenset(pods)
        folded = {place: one for place, one in self.samples.folded.items() if place[2] not in gone}
        kept = {identity: one for identity, one in self._series.items() if one.pod not in gone}
        self._keep(kept, replace(self.samples, folded=folded))

    def _keep(self, series: dict[bytes, Series], samples: SampleSet) -> None:
        self._series = series
        self.samples = replace(samples, series=tuple(series.values()))
