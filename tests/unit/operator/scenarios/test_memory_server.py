"""The API server in memory does what is agreed; tests/cluster holds a real one to the same words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sampler_rollouts.cluster.errors import NotFoundError

from tests.support.kube import cases_apply, cases_objects, cases_scale
from tests.support.kube.api import MemoryApi
from tests.support.kube.conformance import CASES, Calls, Case
from tests.support.kube.owners import collect

TOLD_IN = (cases_apply, cases_objects, cases_scale)
PLACE = "/apis/apps/v1/namespaces/default/controllerrevisions/one"


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


def test_who_watches_from_where_another_server_was_taken_over_has_missed_nothing() -> None:
    first, second = MemoryApi(), MemoryApi()
    first.put(PLACE, {"metadata": {"name": "one"}})
    second.take_over(first)
    since = second.version
    second.edit(PLACE, lambda obj: obj.update(revision=2))
    assert [kind for kind, _ in second.watch(PLACE.rsplit("/", 1)[0], since)] == ["MODIFIED"]


def test_a_kind_that_is_not_served_has_no_watch() -> None:
    api = MemoryApi()
    api.unserved.add("controllerrevisions")
    with pytest.raises(NotFoundError):
        api.events(PLACE.rsplit("/", 1)[0], {"resourceVersion": "0"}, 1.0)
