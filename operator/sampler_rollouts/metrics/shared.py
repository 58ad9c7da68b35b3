"""The newest samples of all rollouts of one source, read together: a few queries, however many rollouts are looked at.

Looks at different rollouts come at different moments, seconds apart; what one of them has read serves the others that
are expected soon after. (A verified release is looked at once a minute: what is read for it in between is read in
vain.) A rollout that is alone, that comes when it was not expected, that has never been read or has more to read than
the newest samples, or whose neighbours' series cannot be read, asks for itself.
"""

from __future__ import annotations

import bisect
import functools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from quality_contract import TARGET_NAMESPACE, TARGET_POD, TARGET_ROLLOUT

from sampler_rollouts.domain.evidence.counters import milliseconds
from sampler_rollouts.domain.evidence.samples import Question, Series
from sampler_rollouts.metrics.config import GatewayRequests
from sampler_rollouts.metrics.deadline import Deadline
from sampler_rollouts.metrics.envelope import Identity, SourceProblem
from sampler_rollouts.metrics.exchange import Exchange
from sampler_rollouts.metrics.gateway import Counted, Wanted, counted, selectors
from sampler_rollouts.metrics.selectors import Selector, covers, united

logger = logging.getLogger(__name__)

OLD_SECONDS: Final = 3.0
"""Samples read so long ago are the newest still: looks at one rollout are as far apart. Half a scrape, if less."""
WAITED: Final = 8_000
"""Milliseconds by which an answer may be newer than a look that waited for its turn: what is further ahead is of a
clock that has been set back since."""
LONGEST_SCRAPES: Final = 60
"""What goes further back is a history, and is read by itself."""
EARLY: Final = 0.1
EARLIEST: Final = 1.0
"""A look is expected as long after the last one as that came after the one before; by so much of it sooner, and no more
seconds than that: what is read for who does not come in time is read in vain."""
MOST_TOGETHER: Final = 50
"""Rollouts in one answer. Everybody waits while one is read and taken apart."""
ACTIVE_SECONDS, ACTIVE_SCRAPES = 120.0, 5
"""A rollout that nobody has looked at for longer is not read for."""
APART_SECONDS, LONGEST_APART = 60.0, 3600.0
"""For so long everybody asks for himself after an answer for all that could not be used; twice as long each time."""
LONGEST_QUERY: Final = 4000
"""Characters, as for a rollout's own queries."""

Place: TypeAlias = tuple[str, str]
"""Namespace and rollout."""
Name: TypeAlias = tuple[str, str, bool]
"""The same, and which of its questions."""
_OF_THE_SOURCE: Final = frozenset({"SourceUnreachable", "SourceForbids", "SourceUntrusted", "SourceMisconfigured"})
"""Problems that who asks for himself has as well."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one look wants: series by selectors, from ``start`` on; ``known`` is up to when it has read already.

    ``sent`` is what it wants to know of gateways' counters.
    """

    question: Question
    selectors: tuple[Selector, ...]
    start: int
    known: int | None
    sent: Wanted | None = None

    @property
    def place(self) -> Place:
        """Whose look it is."""
        return self.question.namespace, self.question.rollout

    @property
    def name(self) -> Name:
        """Which of that one's questions it is about."""
        return *self.place, self.question.beside


@dataclass(frozen=True, slots=True)
class Found:
    """What was read for one look, and up to when (Unix milliseconds). ``sent`` None: let it ask for that itself."""

    end: int
    series: Mapping[Identity, Series]
    sent: Sequence[Counted] | None


@dataclass(frozen=True, slots=True)
class _Look:
    """When a rollout was last looked at, of the monotonic clock, and how long after the time before."""

    at: float
    asked: Asked
    gap: float = 0.0

    def due(self, soon: float, serves: float) -> bool:
        """Whether the next one is expected by then. While its pace is not known, for a few seconds after the last."""
        if not self.gap:
            return soon <= self.at + 3 * serves
        return self.at + self.gap - min(EARLY * self.gap, EARLIEST) <= soon


Together: TypeAlias = Callable[[Exchange, Asked, int], Found | None]
"""Reads for one look up to now, or says None: let it ask for itself. Raises SourceProblem."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """What gateways had counted from ``start`` on, by address: of each that was read, if it is nothing."""

    start: int
    series: Mapping[str, list[Counted]]

    def of(self, one: Wanted) -> list[Counted] | None:
        """What one look would have found for itself, if all of that was read."""
        if one.start < self.start or not one.addresses <= self.series.keys():
            return None
        return [found for address in one.addresses for found in self.series[address]]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What was read for some: everything that ``selectors`` match from ``start`` to ``end``."""

    start: int
    end: int
    whose: frozenset[Name]
    selectors: tuple[Selector, ...] = ()
    series: Mapping[Place, dict[Identity, Series]] = field(default_factory=dict)
    sent: _Sent | None = None

    def serves(self, asked: Asked, now: int, age: int) -> bool:
        """Whether it holds what a look at ``now`` wants, and nothing has been read since.

        One that waited while others were read for may be older than the answer.
        """
        timely = self.start <= asked.start and max(now - age, asked.known or 0) <= self.end
        return timely and all(any(covers(one, other) for one in self.selectors) for other in asked.selectors)

    def of(self, asked: Asked, now: int) -> Found:
        """What one look would have found for itself at ``now``."""
        own = self.series.get(asked.place, {})
        found = {name: one for name, one in own.items() if any(sel.matches(dict(name)) for sel in asked.selectors)}
        if self.end > now:
            return Found(now, {name: cut for name, one in found.items() if (cut := _until(one, now))}, None)
        return Found(self.end, found, self.sent.of(asked.sent) if self.sent and asked.sent else None)


def _until(series: Series, now: int) -> Series | None:
    """Without the samples behind ``now`` (Unix milliseconds); None if no other is left."""
    number = bisect.bisect_right(series.times, now / 1000)
    if number == len(series.times):
        return series
    return replace(series, times=series.times[:number], values=series.values[:number]) if number else None


@dataclass
class Apart:
    """Until when, of the monotonic clock, everybody asks for himself."""

    until: float = 0.0
    _next: float = APART_SECONDS

    def begin(self) -> None:
        """What came for all could not be used."""
        self.until = time.monotonic() + self._next
        self._next = min(2 * self._next, LONGEST_APART)

    def end(self) -> None:
        """What came for all could be used."""
        self._next = APART_SECONDS


@dataclass
class AtOnce:
    """How many rollouts are read together: half as many for a while where that was too large an answer."""

    _most: int = MOST_TOGETHER
    _until: float = 0.0

    def most(self) -> int:
        """Now."""
        return self._most if time.monotonic() < self._until else MOST_TOGETHER

    def too_many(self, number: int) -> None:
        """So many were."""
        self._most, self._until = number // 2, time.monotonic() + LONGEST_APART


class Shared:
    """Of one source. Thread-safe: one reads, the others wait for what it finds."""

    def __init__(self, scrape_interval: float, gateway: GatewayRequests | None = None) -> None:
        self._gateway = gateway
        self._serves = min(OLD_SECONDS, scrape_interval / 2)
        self._age = milliseconds(self._serves)
        self._longest = LONGEST_SCRAPES * milliseconds(scrape_interval)
        self._active = max(ACTIVE_SECONDS, ACTIVE_SCRAPES * scrape_interval)
        self._looks: dict[Name, _Look] = {}
        self._answers: list[_Answer] = []
        self._apart, self._sent_apart, self._at_once = Apart(), Apart(), AtOnce()
        self._lock = threading.Lock()

    def within(self, deadline: Deadline) -> Together:
        """For one fetch, which waits for others no longer than it may."""
        return functools.partial(self._read, deadline)

    def _read(self, deadline: Deadline, exchange: Exchange, asked: Asked, now: int) -> Found | None:
        if not self._lock.acquire(timeout=deadline.left()):
            raise SourceProblem("SourceTimeout", "an earlier look is still being answered")
        try:
            return self._locked(exchange, asked, now)
        finally:
            self._lock.release()

    def _locked(self, exchange: Exchange, asked: Asked, now: int) -> Found | None:
        clock = time.monotonic()
        if asked.known is None or now - asked.start > self._longest:
            self._looks.pop(asked.name, None)
            return None
        last = self._looks.get(asked.name)
        self._looks[asked.name] = _Look(clock, asked, clock - last.at if last else 0.0)
        if clock < self._apart.until:
            return None
        self._answers = [one for one in self._answers if now - self._age <= one.end <= now + WAITED]
        for answer in self._answers:
            if answer.serves(asked, now, self._age):
                return answer.of(asked, now)
        anew = self._anew(exchange, asked, now, clock)
        if anew is None:
            return None
        self._answers.append(anew)
        return anew.of(asked, now) if anew.serves(asked, now, self._age) else None

    def _anew(self, exchange: Exchange, asked: Asked, now: int, clock: float) -> _Answer | None:
        """Ask for some that are about to be looked at, and have not been asked for. None if that is one, or if what
        came cannot be used for all; SourceProblem as for one.
        """
        self._looks = {name: look for name, look in self._looks.items() if clock - look.at <= self._active}
        soon, asked_for = clock + self._serves, frozenset[Name]().union(*(one.whose for one in self._answers))
        others = [look for name, look in self._looks.items() if name != asked.name and name not in asked_for]
        due = [one for one in others if one.due(soon, self._serves) and now - one.asked.start <= self._longest]
        due.sort(key=lambda one: one.at + one.gap)
        looks = [asked, *(one.asked for one in due[: self._at_once.most() - 1])]
        if len(looks) < 2:
            return None
        start = min(look.start for look in looks)
        grouped = tuple(_grouped(one for look in looks for one in look.selectors))
        series: dict[Place, dict[Identity, Series]] = {}
        try:
            for selector in grouped:
                for name, one in exchange.raw(str(selector), start, now).items():
                    labels = dict(name)
                    place = labels.get(TARGET_NAMESPACE, ""), labels.get(TARGET_ROLLOUT, "")
                    series.setdefault(place, {})[name] = one
        except SourceProblem as problem:
            if problem.reason in _OF_THE_SOURCE:
                raise
            if problem.reason == "AnswerTooLarge" and len(looks) > 2:
                self._at_once.too_many(len(looks))
                return None
            # One rollout's malformed series, or far too many of two: nobody suffers for another's.
            logger.info("rollouts are read one by one for a while", extra={"reason": problem.reason})
            self._apart.begin()
            if problem.reason == "SourceTimeout":  # no time is left to ask for oneself in this look
                raise
            return None
        self._apart.end()
        sent = self._sent([look.sent for look in looks if look.sent is not None], exchange, now, clock)
        return _Answer(start, now, frozenset(look.name for look in looks), grouped, series, sent)

    def _sent(self, wanted: list[Wanted], exchange: Exchange, now: int, clock: float) -> _Sent | None:
        """What gateways have counted for all of them; after trouble of those that were read until then. Let the others
        ask for themselves, and see what is wrong with it.
        """
        wanted = [one for one in wanted if now - one.start <= self._longest]
        if self._gateway is None or len(wanted) < 2 or clock < self._sent_apart.until:
            return None
        start, addresses = min(one.start for one in wanted), frozenset().union(*(one.addresses for one in wanted))
        series: dict[str, list[Counted]] = {}
        try:
            for some, selector in selectors(self._gateway, addresses):
                found, unread = counted(exchange.ranges(selector, start, now), self._gateway)
                if unread:
                    raise SourceProblem("InvalidAnswer", "some series cannot be read")
                series |= {address: [] for address in some}
                for one in found:
                    series.setdefault(one.address, []).append(one)
        except SourceProblem as problem:
            logger.info("gateways' counters are read one by one for a while", extra={"reason": problem.reason})
            self._sent_apart.begin()
        else:
            self._sent_apart.end()
        return _Sent(start, series)


def _grouped(selectors: Iterable[Selector]) -> list[Selector]:
    """As few united ones as fit into an address: candidates' pods and stables' pods apart, for they differ in what."""
    done: list[Selector] = []
    kinds: dict[bool, list[Selector]] = {}
    for one in selectors:
        group = kinds.setdefault(any(label == TARGET_POD for label, _ in one.patterns), [])
        if group and len(str(united([*group, one]))) > LONGEST_QUERY:
            done.append(united(group))
            group.clear()
        group.append(one)
    return [*done, *(united(group) for group in kinds.values() if group)]
