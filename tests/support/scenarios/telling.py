"""Scenarios by name, and how one is told: as it is, or with one fault at one write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.support.kube.api import MemoryApi, Write
from tests.support.scenarios.language import Given, Then, When
from tests.support.scenarios.story import Story
from tests.support.scenarios.world import Clock, World

Telling = Callable[[Given, When, Then], None]


@dataclass(frozen=True)
class Scenario:
    """One story. ``excused``: what the story itself brings about, of all that must never be seen."""

    name: str
    tell: Telling
    excused: frozenset[str] = frozenset()
    faults: bool = True
    """Whether it is told again with a fault at each write; if not, the reason stands at the scenario."""
    long: bool = False
    """Whether telling it takes more than half a second of a processor: `make unit` leaves it out."""


@dataclass
class Told:
    """How a story went."""

    end: dict[str, Any]
    weights: dict[str, list[tuple[str, int]]]
    ready: dict[str, list[int]]
    writes: int
    seconds: float
    """Simulated."""
    begun_with: frozenset[str]
    """Rollout, pool and build of what was ready when the story began."""
    breaches: list[str] = field(default_factory=list)
    headlines: set[str] = field(default_factory=set)
    stages: dict[str, list[str]] = field(default_factory=dict)
    written: list[Write] = field(default_factory=list)
    """The operator's writes."""

    def begins_with(self, place: str) -> bool:
        """Whether it served before the story began."""
        return place in self.begun_with


SCENARIOS: dict[str, Scenario] = {}


def scenario(name: str, *excused: str, faults: bool = True, long: bool = False) -> Callable[[Telling], Telling]:
    """Register a story under its name."""

    def register(tell: Telling) -> Telling:
        assert name not in SCENARIOS, f"two scenarios are called {name!r}"
        SCENARIOS[name] = Scenario(name, tell, frozenset(excused), faults, long)
        return tell

    return register


class Armed(Protocol):
    """What befalls writes: it is told of each from the story's beginning on."""

    def arm(self, api: MemoryApi) -> None:
        """From now on writes count."""


def goes_without_an_operator(one: Scenario) -> bool:
    """Whether a story is content although the operator is stopped for good as it begins."""
    world = World()
    story = Story(world)
    story.on_beginning = world.die
    try:
        _tell(one, story)
    except (AssertionError, LookupError, StopIteration, TypeError):  # it waits in vain, or asks for what is not there
        return False
    return True


def _tell(one: Scenario, story: Story) -> None:
    story.world.watching.excused = set(one.excused)
    one.tell(Given(story), When(story), Then(story))


def told(one: Scenario, fault: Armed | None = None, server: Callable[[Clock], MemoryApi] = MemoryApi) -> Told:
    """Tell it, from its beginning to rest. ``server`` makes what the operator takes for the API server."""
    world = World(server)
    story = Story(world)
    begun: dict[str, Any] = {"writes": 0, "at": 0.0, "ready": ()}

    def begin() -> None:
        begun.update(writes=len(world.api.writes), at=world.clock.monotonic())
        begun.update(ready={f"{story.name}/{'/'.join(place)}" for place in story.pods()})
        if fault:
            fault.arm(world.api)

    story.on_beginning = begin
    _tell(one, story)
    end = story.end()
    return Told(
        end=end,
        weights=world.watching.weights,
        ready=world.watching.ready,
        writes=len(world.api.writes) - begun["writes"],
        seconds=world.clock.monotonic() - begun["at"],
        begun_with=frozenset(begun["ready"]),
        breaches=world.watching.breaches,
        headlines=world.watching.headlines,
        stages=world.watching.stages,
        written=world.api.writes[begun["writes"] :],
    )
