"""Each scenario as it is told, and what must never be seen in any."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.scenarios.telling import Scenario
from tests.unit.operator.gitops.states import HEADLINES
from tests.unit.operator.scenarios.crashes import calm
from tests.unit.operator.scenarios.stories import ALL

LEAST = 40


def test_there_are_enough_of_them() -> None:
    assert len(ALL) >= LEAST


def _case(one: Scenario) -> Any:
    return pytest.param(one, id=one.name, marks=[pytest.mark.long] if one.long else [])


@pytest.mark.parametrize("one", [_case(one) for one in ALL])
def test_scenario(one: Scenario) -> None:
    how = calm(one.name)
    assert how.breaches == []
    assert how.headlines <= HEADLINES, "docs/gitops.md says what GitOps tools make of each: add it to STATES there"
