"""The API server in memory does what is agreed; tests/cluster holds a real one to the same words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.kube import cases_apply, cases_objects, cases_scale
from tests.support.kube.api import MemoryApi
from tests.support.kube.conformance import CASES, Calls, Case
from tests.support.kube.owners import collect

TOLD_IN = (cases_apply, cases_objects, cases_scale)


class InMemory:
    """Its garbage collector runs when somebody waits for it."""

    namespace = "conformance"

    def __init__(self) -> None:
        self._api = MemoryApi()
        self.request = self._api.request

    def watch(self, path: str, since: str) -> list[tuple[str, dict[str, Any]]]:
        return self._api.watch(path, since)

    def eventually(self, probe: Callable[[], bool]) -> bool:
        while collect(self._api):
            pass
        return probe()


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
def test_it_is_as_agreed(one: Case) -> None:
    assert one.play(Calls(InMemory())) == one.expected
