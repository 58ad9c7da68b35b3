"""How often a look comes: no more often than samples do, when samples are all that is waited for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sampler_rollouts.domain.decision.decide import LOOK_SECONDS
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.look import Evidence
from sampler_rollouts.domain.evidence.samples import Question, SampleSet

from tests.unit.operator.domain.world import World, established, spec
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


@pytest.mark.parametrize("unavailable", ["", "SourceTimeout"])
def test_the_evidence_tells_how_often_pods_are_scraped(unavailable: str) -> None:
    given = SampleSet(scrape_interval=7.0, unavailable=unavailable)
    assert evaluate(question(ERRORS), given, at(1)).scrape_interval == 7.0
