"""Each scenario as it is told, and what must never be seen in any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.scenarios.telling import Scenario
from tests.unit.operator.gitops.states import HEADLINES
from tests.unit.operator.scenarios.crashes import calm
from tests.unit.operator.scenarios.stories import ALL

PAGE = Path(__file__).resolve().parents[4] / "docs" / "scenarios.md"


def test_the_page_says_how_many_there_are() -> None:
    assert f"| {len(ALL)} scenarios |" in PAGE.read_text()


def _case(one: Scenario) -> Any:
    return pytest.param(one, id=one.name, marks=[pytest.mark.long] if one.long else [])


@pytest.mark.parametrize("one", [_case(one) for one in ALL])
def test_scenario(one: Scenario) -> None:
    how = calm(one.name)
    assert how.breaches == []
    assert how.headlines <= HEADLINES, "docs/gitops.md says what GitOps tools make of each: add it to STATES there"
