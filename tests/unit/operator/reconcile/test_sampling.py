"""A metrics source that is slow, dead or broken costs bounded time, and nobody else's."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sampler_rollouts.domain.evidence.samples import Question, SampleSet
from sampler_rollouts.reconcile.sampling import BoundedMetrics

NOW = datetime(2026, 1, 2, tzinfo=UTC)
QUESTION = Question("n", "chat", "slow", NOW, (), (), 0.01, 0.95, 1.0, 1)


class Sources:
    """One source that hangs, one that answers, one that breaks."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def fetch(self, question: Question, now: datetime) -> SampleSet:
        if question.source == "slow":
            self.released.wait(10)
        if question.source == "broken":
            raise ValueError("with a secret in its text")
        return SampleSet(asked_at=now)


@pytest.fixture
def sources() -> Iterator[Sources]:
    sources = Sources()
    yield sources
    sources.released.set()


async def test_a_hanging_source_is_unavailable_in_time(sources: Sources) -> None:
    metrics = BoundedMetrics(sources, ["slow"], time_limit=0.05)
    began = time.monotonic()
    answer = await metrics.fetch(QUESTION, NOW)

    assert answer.unavailable == "SourceTimeout"
    assert answer.series == ()
    assert time.monotonic() - began < 1
    metrics.close()


async def test_many_that_hang_hold_up_no_other_source(sources: Sources) -> None:
    metrics = BoundedMetrics(sources, ["slow", "fine"], time_limit=0.5)
    hanging = [asyncio.create_task(metrics.fetch(QUESTION, NOW)) for _ in range(50)]
    await asyncio.sleep(0.01)
    began = time.monotonic()
    answer = await metrics.fetch(replace(QUESTION, source="fine"), NOW)

    assert answer.unavailable == ""
    assert time.monotonic() - began < 0.3
    assert {(await task).unavailable for task in hanging} == {"SourceTimeout"}
    metrics.close()


async def test_an_error_is_named_but_its_text_is_not_passed_on(sources: Sources) -> None:
    metrics = BoundedMetrics(sources, ["broken"])
    answer = await metrics.fetch(replace(QUESTION, source="broken"), NOW)

    assert (answer.unavailable, answer.message) == ("SourceError", "ValueError")
    metrics.close()


async def test_names_that_nobody_configured_share_threads(sources: Sources) -> None:
    metrics = BoundedMetrics(sources, [])
    for number in range(20):
        await metrics.fetch(replace(QUESTION, source=f"invented-{number}"), NOW)

    assert len(metrics._threads) == 1
    metrics.close()
