"""R4: whatever befalls any single write, users see the same, and it ends the same. All of it: ``crash_table``."""

from __future__ import annotations

import functools
import os

import pytest

from tests.unit.operator.scenarios.crashes import Case, failure, sample
from tests.unit.operator.scenarios.stories import ALL

SEED = int(os.environ.get("CRASH_SEED", "1"))
STORIES, EACH = 8, 3


@functools.cache
def chosen() -> list[Case]:
    """Not when tests are collected: the undisturbed stories are told for it."""
    return sample([one.name for one in ALL if one.faults], STORIES, EACH, SEED)


@pytest.mark.long
@pytest.mark.parametrize("number", range(STORIES * EACH))
def test_a_fault_at_one_write_changes_nothing(number: int) -> None:
    assert failure(chosen()[number]) == ""
