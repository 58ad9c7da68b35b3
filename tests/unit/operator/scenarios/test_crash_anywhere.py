"""R4: whatever befalls any single write, users see the same, and it ends the same.

``CRASHES=all`` tells every scenario again with each fault at each write (``make soak``), and prints a table.
"""

from __future__ import annotations

import functools
import logging
import os
import time
from collections import Counter

import pytest

from tests.support.scenarios.faults import Kind
from tests.unit.operator.scenarios.crashes import Case, cases, failure, sample
from tests.unit.operator.scenarios.stories import ALL

NAMES = [one.name for one in ALL if one.faults]
SEED = int(os.environ.get("CRASH_SEED", "1"))
STORIES, EACH = 8, 3
EVERY = os.environ.get("CRASHES") == "all"


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """What the operator logs of each fault."""
    caplog.set_level(logging.CRITICAL)


@functools.cache
def chosen() -> list[Case]:
    """Not when tests are collected: the undisturbed stories are told for it."""
    return sample(NAMES, STORIES, EACH, SEED)


@pytest.mark.parametrize("number", range(STORIES * EACH))
def test_a_fault_at_one_write_changes_nothing(number: int) -> None:
    assert failure(chosen()[number]) == ""


@pytest.mark.skipif(not EVERY, reason="all of them are for make soak: CRASHES=all")
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", NAMES)
def test_no_fault_at_any_write_changes_anything(name: str) -> None:
    began, counts, wrong = time.monotonic(), Counter[Kind](), list[str]()
    for case in cases([name]):
        counts[case.kind] += 1
        if found := failure(case):
            wrong.append(found)
    told = ", ".join(f"{count} {kind.value}" for kind, count in counts.items())
    print(f"| {name} | {told} | {len(wrong)} | {time.monotonic() - began:.0f} s |")  # noqa: T201
    assert wrong == []
