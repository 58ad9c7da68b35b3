"""Scenarios with a fault at one write: which cases there are, and how one is compared with the undisturbed story."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.scenarios.faults import Fault, Kind
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
    undisturbed, fault = calm(case.scenario), Fault(case.kind, case.at)
    try:
        disturbed = told(SCENARIOS[case.scenario], fault)
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
