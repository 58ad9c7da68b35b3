"""How often a look comes: no more often than samples do, when samples are all that is waited for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sampler_rollouts.domain.decision.decide import LOOK_SECONDS, WAITING_SECONDS
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.look import Evidence
from sampler_rollouts.domain.evidence.samples import Question, SampleSet

from tests.unit.operator.domain.world import World, established, failing, spec
from tests.unit.operator.evidence.build import ERRORS, at, question


class Scraped(World):
    """A source that scrapes this often."""

    interval = 15.0

    def evidence(self, asked: Question | None) -> Evidence | None:
        found = super().evidence(asked)
        return found and replace(found, scrape_interval=self.interval)


@pytest.mark.parametrize(("interval", "wait"), [(15.0, 15.0), (2.0, LOOK_SECONDS)])
def test_a_first_release_that_serves_is_looked_at_as_often_as_it_is_scraped(interval: float, wait: float) -> None:
    world = Scraped(spec("a"))
    world.interval = interval
    world.until("Serving")
    assert world.run(60).requeue_after == wait


def test_a_candidate_is_looked_at_more_often() -> None:
    """Its pods are not scraped at the same time, and each scrape may end it."""
    world = established()
    world.__class__ = Scraped
    world.update(spec("b"))
    assert world.until("Progressing").requeue_after == LOOK_SECONDS


STEPS = {"strategy": {"steps": [{"weight": 50, "minDuration": "5s"}, {"pause": {}}]}}
AT_ONCE = {"strategy": {"steps": [{"pause": {}}, {"weight": 50, "minDuration": "5s"}]}}


def _trying(**more: object) -> Scraped:
    world = established(**more)
    world.__class__ = Scraped
    world.update(spec("b", **more))
    world.run(60)
    assert isinstance(world, Scraped)
    return world


@pytest.mark.parametrize(("interval", "wait"), [(15.0, 15.0), (60.0, 60.0), (2.0, LOOK_SECONDS)])
def test_what_waits_for_a_person_is_looked_at_as_often_as_it_is_scraped(interval: float, wait: float) -> None:
    waiting, paused, holding = _trying(**STEPS), _trying(), _trying()
    paused.update(spec("b", paused=True))
    holding.run(2000)
    for world, stage in ((waiting, "Progressing"), (paused, "Progressing"), (holding, "Holding")):
        world.interval = interval
        assert world.tick().requeue_after == wait
        assert world.status.stage == stage
        world.judge = failing()
        world.tick(wait)
        assert world.condition("RolledBack") == ("True", "CheckFailed")
        assert world.tick(1).requeue_after == LOOK_SECONDS, "it leaves"


def test_so_is_one_that_nobody_has_met_yet() -> None:
    """What is asked is about stable."""
    world = _trying(**AT_ONCE)
    assert world.status.rollout
    assert world.status.rollout.waiting
    assert world.tick().requeue_after == 15


def test_a_first_release_that_does_not_come_up_waits_for_its_pods_which_are_watched() -> None:
    world = World(spec("a"))
    world.tick()
    assert world.tick().requeue_after == LOOK_SECONDS
    world.never_ready.add(world.revision_of("candidate"))
    world.run(200)
    assert world.condition("Stalled") == ("True", "FirstReleaseFailed")
    assert world.tick().requeue_after == WAITING_SECONDS
    world.never_ready.clear()
    world.run(20)
    assert world.status.stage == "Serving"


@pytest.mark.parametrize("unavailable", ["", "SourceTimeout"])
def test_the_evidence_tells_how_often_pods_are_scraped(unavailable: str) -> None:
    given = SampleSet(scrape_interval=7.0, unavailable=unavailable)
    assert evaluate(question(ERRORS), given, at(1)).scrape_interval == 7.0
