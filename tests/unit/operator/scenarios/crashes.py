"""Scenarios with a fault at one write: which cases there are, and how one is compared with the undisturbed story."""

from __future__ import annotations

import functools
import os
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.support.kube.api import MemoryApi, Write
from tests.support.scenarios.faults import Fault, Kind
from tests.support.scenarios.process import Standing
from tests.support.scenarios.telling import SCENARIOS, Told, told

KINDS = (Kind.KILLED_AFTER, Kind.CONFLICT, Kind.TIMED_OUT, Kind.ERROR)
"""Killed before a write is killed after the one before it; before the first one it is a case of its own."""


@dataclass(frozen=True)
class Case:
    """One fault in one story."""

    scenario: str
    kind: Kind
    at: int

    def __str__(self) -> str:
        return f"{self.scenario}: write {self.at + 1} {self.kind}"


@functools.cache
def calm(name: str) -> Told:
    """The story without a fault."""
    return told(SCENARIOS[name])


def cases(names: list[str]) -> Iterator[Case]:
    """All of some stories."""
    for name in names:
        yield Case(name, Kind.KILLED_BEFORE, 0)
        for at in range(calm(name).writes):
            yield from (Case(name, kind, at) for kind in KINDS)


def sample(names: list[str], stories: int, each: int, seed: int) -> list[Case]:
    """A few cases of a few stories, chosen by seed."""
    chance = random.Random(seed)
    chosen = chance.sample(sorted(names), min(stories, len(names)))
    of_each = [list(cases([name])) for name in chosen]
    return [case for found in of_each for case in chance.choices(found, k=each)]


def failure(case: Case) -> str:
    """What is wrong with one case, or nothing."""
    return _difference(case.scenario, case, Fault(case.kind, case.at))


def _difference(scenario: str, case: object, fault: Fault | Forks) -> str:
    undisturbed = calm(scenario)
    try:
        disturbed = told(SCENARIOS[scenario], fault)
    except AssertionError as error:
        return f"{case} ({fault.write}): {error}"
    if disturbed.breaches:
        return f"{case} ({fault.write}): {disturbed.breaches[0]}"
    expected, found = _flat(undisturbed), _flat(disturbed)
    wrong = [
        f"{name}: {found.get(name)} where it was {expected.get(name)}"
        for name in expected.keys() | found.keys()
        if found.get(name) != expected.get(name)
    ]
    return f"{case} ({fault.write}): " + "; ".join(wrong) if wrong else ""


@dataclass
class Forks:
    """At each write the story goes on in a process of its own for each fault, and here as if nothing had been.

    What comes before a write is the same for all of its faults: it is told once.
    """

    name: str
    one_in: int = 1
    """Of the cases; which ones is a matter of chance."""
    seed: int = 1
    found: list[tuple[Case, str]] = field(default_factory=list)
    write: Write | None = None
    """What the fault hit, in a process of its own."""
    _at: int = 0
    _forked: int = -1
    _fault: Fault | None = None
    _answer: int = -1
    """Where such a process says what differed."""

    def __str__(self) -> str:
        return str(Case(self.name, self._fault.kind, self._fault.at)) if self._fault else self.name

    def arm(self, api: MemoryApi) -> None:
        """From now on writes count."""
        api.before_write, api.after_write = self._before, self._after

    def tell(self) -> list[tuple[Case, str]]:
        """All cases of the story with what is wrong with each, or nothing."""
        calm(self.name)
        try:
            said = _difference(self.name, self, self)
        except BaseException as error:
            if self._fault is None:
                raise
            said = f"{self}: {type(error).__name__}: {error}"
        if self._fault is not None:
            os.write(self._answer, said.encode())
            os._exit(0)
        assert said == "", f"told without a fault: {said}"
        return self.found

    def _before(self, write: Write) -> None:
        if self._fault is None:
            self._fork(KINDS if self._at else (Kind.KILLED_BEFORE, *KINDS), write)
        if self._fault is not None:
            self._fault._before(write)

    def _after(self, write: Write) -> None:
        if self._fault is None and self._forked != self._at:  # a story that refuses writes by itself
            self._fork((Kind.KILLED_AFTER, Kind.TIMED_OUT), write)
        self._at += 1
        if self._fault is not None:
            self._fault._after(write)

    def _fork(self, kinds: Iterable[Kind], write: Write) -> None:
        """A process for each; in one of those, the fault is armed."""
        self._forked = self._at
        chance = random.Random(f"{self.seed} {self.name} {self._at}")
        for kind in kinds:
            if chance.random() * self.one_in >= 1:
                continue
            end, answer = os.pipe()
            if child := os.fork():
                began = time.monotonic()
                os.close(answer)
                with os.fdopen(end, "rb") as answered:
                    said = answered.read().decode()
                _, status = os.waitpid(child, 0)
                Standing.stood += time.monotonic() - began
                case = Case(self.name, kind, self._at)
                self.found.append((case, f"{case} ({write}): it ended with {status}" if status else said))
                continue
            os.close(end)
            self.write, self._answer, self._fault = write, answer, Fault(kind, self._at, seen=self._at)
            return


def _flat(how: Told) -> dict[str, object]:
    """What must be the same whatever befell the operator, in pieces that a message can name.

    What was tried was ready as often and as widely as it was; what served from the beginning was never fewer.
    (It may be more for a moment: where a candidate's pod is away stable's comes back, if it is quick enough.)
    """
    serving = {
        place: (points[0], min(points), points[-1]) for place, points in how.ready.items() if how.begins_with(place)
    }
    tried = {place: points for place, points in how.ready.items() if place not in serving}
    return {**how.end, "weights": how.weights, "pods that served": serving, "pods that were tried": tried}
