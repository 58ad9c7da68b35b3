"""Each scenario as it is told, and what must never be seen in any."""

from __future__ import annotations

import logging

import pytest

from tests.support.scenarios.telling import Scenario, told
from tests.unit.operator.gitops.states import HEADLINES
from tests.unit.operator.scenarios.stories import ALL

LEAST = 40


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """What the operator logs of the misfortunes that the stories are about."""
    caplog.set_level(logging.CRITICAL)


def test_there_are_enough_of_them() -> None:
    assert len(ALL) >= LEAST


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_scenario(one: Scenario) -> None:
    how = told(one)
    assert how.breaches == []
    assert how.headlines <= HEADLINES, "docs/gitops.md says what GitOps tools make of each: add it to STATES there"
