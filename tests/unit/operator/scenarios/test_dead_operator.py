"""Each story needs the operator: told without one it fails, or is named here as one in which nothing is to be done.

What a story waits for may have been so before it began; then it says nothing.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.scenarios.telling import Scenario, goes_without_an_operator
from tests.unit.operator.scenarios.stories import ALL

BY_OTHERS = frozenset(
    {
        "deleted while serving",
        "deleted while serving, children first",
        "gateway: the rollout is deleted",
        "scaling: all goes with the SamplerRollout",
    }
)
"""The garbage collector does it all (R28)."""
NOTHING_HAPPENS = frozenset({"a retry of a release that was not rejected does nothing"})


def test_the_exceptions_are_scenarios() -> None:
    assert not (BY_OTHERS | NOTHING_HAPPENS) - {one.name for one in ALL}


def _case(one: Scenario) -> Any:
    return pytest.param(one, id=one.name, marks=[pytest.mark.long] if one.long else [])


@pytest.mark.parametrize("one", [_case(one) for one in ALL])
def test_without_an_operator(one: Scenario) -> None:
    assert goes_without_an_operator(one) is (one.name in BY_OTHERS | NOTHING_HAPPENS)
