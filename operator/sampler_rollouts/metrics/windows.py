"""Reading a history on: by windows of time, each short enough for one answer, that a later look can go on from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from sampler_rollouts.domain.evidence.reading import from_zero
from sampler_rollouts.domain.evidence.samples import Question, Series
from sampler_rollouts.metrics import gateway, selectors
from sampler_rollouts.metrics.config import GatewayRequests
from sampler_rollouts.metrics.envelope import Identity, SourceProblem
from sampler_rollouts.metrics.exchange import Exchange
from sampler_rollouts.metrics.gateway import Counted
from sampler_rollouts.metrics.history import History, births_of
from sampler_rollouts.metrics.selectors import Selector
from sampler_rollouts.metrics.shared import Asked, Together

BYTES_A_SAMPLE = 30
"""Of an answer: a time in milliseconds and a count, in JSON."""
SAMPLES_A_SERIES = 16
"""The labels of a series, in samples of that size."""
FIRST_SERIES = 100
"""Series of a pod, before the first answer: two or four for a check, one for each kind of mismatch and batch size."""
SHORTEST_SCRAPES = 8
GATEWAYS = 8
"""Processes of gateways that count for one pod, before the first answer."""

T = TypeVar("T")


class Spanned(Protocol):
    """What is read by windows, and remembers how long they may be, in milliseconds; 0 before the first."""

    span: int


class Reading:
    """One fetch's progress with one history."""

    def __init__(
        self,
        exchange: Exchange,
        history: History,
        question: Question,
        max_bytes: int,
        together: Together,
        gateway: GatewayRequests | None = None,
    ) -> None:
        self._gateway = gateway
        self._exchange = exchange
        self._together = together
        self._history = history
        self._question = question
        # Half of what is allowed: what comes next may be denser than what came last.
        self._target = max_bytes // BYTES_A_SAMPLE // 2
        self._done = 0
        born = births_of(question).items() if gateway and question.routed else ()
        # Only of pods that count from zero it can be said what they lost.
        self._accounted = frozenset(pod for pod, birth in born if from_zero(birth, question.since))
        self._served: frozenset[str] = frozenset()
        """Addresses of which gateways' counters have been read by now, for all rollouts together."""

    def up_to(self, now: int) -> None:
        """Read all that is not known yet. Raises SourceProblem; what was read until then is kept."""
        if self._history.full:
            raise SourceProblem("HistoryTooLarge", "the rollout has more samples than the operator may hold")
        try:
            self._births()
            self._on(now)
            self._anew(self._history.copied(), now)
            self._sent(now)
        except SourceProblem as problem:
            raise self._told(problem) from None
        if not self._history.samples.series:
            self._look_at_labels(now)

    def _told(self, problem: SourceProblem) -> SourceProblem:
        """A time-out with some of a long history read is no fault of the source."""
        until = self._history.read_until
        if problem.reason != "SourceTimeout" or not self._done or until is None:
            return problem
        at = datetime.fromtimestamp(until / 1000, UTC)
        return SourceProblem("ReadingHistory", f"the samples up to {at:%Y-%m-%dT%H:%M:%SZ} are read, the rest follows")

    def _births(self) -> None:
        """Pods that the question did not have at the last look are read from the start."""
        history, births = self._history, births_of(self._question)
        if history.read_until is not None:
            self._anew(births.keys() - history.births.keys(), history.read_until)
            gone = history.births.keys() - births.keys()
            history.forget(gone)
            history.sent.forget(gone)
        history.births = births

    def _anew(self, pods: Iterable[str], until: int) -> None:
        """Read single pods, whatever is known of them."""
        names = frozenset(pods)
        if not names:
            return
        arms = self._question.arms
        revisions = {one for arm in arms for one in (arm.revision, arm.stable_revision) if one}
        self._history.forget(names)
        asked = list(selectors.of_pods(self._question, names, revisions))
        for start, _, found in self._of_pods(asked, self._history.first, until, len(names)):
            self._history.take(found, start, names)
            self._history.condense(self._question)

    def _on(self, now: int) -> None:
        """Read all pods from where the last look ended, and a little before."""
        births = self._history.births
        asked = [*selectors.of_pods(self._question, births), *selectors.of_stable(self._question)]
        asked += selectors.of_judged(self._question)
        start, sent = self._history.resume(), self._history.sent.wanted(self._accounted)
        wanted = Asked(self._question, tuple(asked), start, self._history.read_until, sent)
        shared = self._together(self._exchange, wanted, now)
        if shared is not None:
            self._history.take(shared.series, start)
            self._history.advance(self._question, shared.end)
            if sent is not None and shared.sent is not None:
                self._history.sent.take(shared.sent, sent.addresses, sent.start, shared.end)
                self._served = sent.addresses
            return
        for begin, end, found in self._of_pods(asked, start, now, len(births)):
            self._history.take(found, begin)
            self._history.advance(self._question, end)

    def _sent(self, now: int) -> None:
        """What gateways count for the addresses of the candidate's pods. Whatever is wrong with it is theirs alone."""
        source, sent = self._gateway, self._history.sent
        if source is None or not self._question.routed:
            return
        sent.problem = ""
        left = sent.at(self._accounted) - self._served
        try:
            known = left & frozenset(sent.read_until)
            for some in (known, left - known):
                self._sent_to(source, some, now)
        except SourceProblem as problem:
            sent.problem = problem.reason

    def _sent_to(self, source: GatewayRequests, addresses: frozenset[str], now: int) -> None:
        """Read on of some addresses, by windows as any history."""
        if not addresses:
            return
        sent = self._history.sent
        asked = [selector for _, selector in gateway.selectors(source, addresses)]

        def read(start: int, end: int) -> tuple[list[Counted], int]:
            answers = [gateway.counted(self._exchange.ranges(selector, start, end), source) for selector in asked]
            sent.problem = "InvalidAnswer" if any(unread for _, unread in answers) else sent.problem
            largest = max(_size(one.series for one in found) for found, _ in answers)
            return [one for found, _ in answers for one in found], largest

        first = GATEWAYS * max(1, min(len(addresses), selectors.PODS_A_QUERY))
        for start, end, found in self._windows(sent, sent.begin(addresses), now, first, read):
            sent.take(found, addresses, start, end)

    def _windows(
        self, of: Spanned, start: int, until: int, first_series: int, read: Callable[[int, int], tuple[T, int]]
    ) -> Iterator[tuple[int, int, T]]:
        """Start, end and content of one window after the other, each as long as the answers before suggest."""
        shortest = SHORTEST_SCRAPES * self._history.scrape
        of.span = of.span or max(shortest, self._target // first_series * self._history.scrape)
        start = min(start, until)
        while True:
            end = min(until, start + of.span)
            try:
                found, largest = read(start, end)
            except SourceProblem as problem:
                # A time-out after other windows says that the history is long, not that a window is.
                if problem.reason == "AnswerTooLarge" or (problem.reason == "SourceTimeout" and not self._done):
                    of.span = max(shortest, (end - start) // 2)
                if problem.reason != "AnswerTooLarge" or end - start <= shortest:
                    raise
                continue
            yield start, end, found
            self._done += 1
            if end == until:
                return
            if largest < self._target // 4:
                of.span *= 2
            start = end

    def _of_pods(
        self, asked: list[Selector], start: int, until: int, pods: int
    ) -> Iterator[tuple[int, int, dict[Identity, Series]]]:
        """Windows of the pods' own samples."""
        first = FIRST_SERIES * max(1, min(pods, selectors.PODS_A_QUERY))
        return self._windows(self._history, start, until, first, lambda *window: self._window(asked, *window))

    def _window(self, asked: list[Selector], start: int, end: int) -> tuple[dict[Identity, Series], int]:
        """What all selectors find, and the size of the largest answer in samples."""
        found: dict[Identity, Series] = {}
        largest = 0
        for selector in asked:
            answer = self._exchange.raw(str(selector), start, end)
            largest = max(largest, _size(answer.values()))
            found |= answer
        return found, largest

    def _look_at_labels(self, now: int) -> None:
        """Nothing at all: is it there under other labels? Asked also so that a source that is gone is noticed."""
        scrapes = SHORTEST_SCRAPES * self._history.scrape
        found = self._exchange.raw(str(selectors.of_rollout(self._question)), now - scrapes, now)
        if self._exchange.unplaced and not found:
            raise SourceProblem(
                "LabelsMissing", "the samples lack the labels pod, pool and revision: add them when scraping"
            )


def _size(found: Iterable[Series]) -> int:
    """Of an answer, in samples."""
    return sum(len(one.times) + SAMPLES_A_SERIES for one in found)
