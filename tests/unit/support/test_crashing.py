"""Which write of the operator a fault hits."""

from __future__ import annotations

import pytest

from tests.soak.test_crash_on_real_api import chosen
from tests.support.crashing.proxy import Fault
from tests.support.crashing.stories import STORIES
from tests.support.scenarios.faults import Kind

OURS = "PUT /apis/samplerrollouts.io/v1alpha1/namespaces/case-1/samplerrollouts/chat/status"
OTHERS = OURS.replace("case-1", "case-11")


def test_the_second_write_of_its_namespace() -> None:
    fault = Fault("case-1", Kind.KILLED_AFTER, at=1)
    found = [fault.of(write) for write in (OTHERS, OURS, OTHERS, OURS, OURS)]
    assert found == [None, None, None, Kind.KILLED_AFTER, None]
    assert fault.hit == OURS
    assert len(fault.writes) == 3


def test_none() -> None:
    fault = Fault("case-1")
    assert {fault.of(OURS) for _ in range(3)} == {None}
    assert fault.hit == ""


def test_one_that_never_came() -> None:
    fault = Fault("case-1", Kind.CONFLICT, at=5)
    fault.of(OURS)
    assert fault.hit == ""


@pytest.mark.parametrize("number", [0, 1, 7])
def test_a_seed_says_which(number: int) -> None:
    assert chosen(number) == chosen(number)
    assert 0 <= chosen(number)[2] < 1


def test_every_story_and_fault_has_its_turn() -> None:
    every = [chosen(number) for number in range(200)]
    assert {story for story, _, _ in every} == set(STORIES)
    assert {kind for _, kind, _ in every} == set(Kind)
    killed = sum(kind in (Kind.KILLED_BEFORE, Kind.KILLED_AFTER) for _, kind, _ in every)
    assert killed > 100
