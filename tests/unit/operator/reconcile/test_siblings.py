"""Other SamplerRollouts are listed once in a while, and a listing that fails holds nothing up (R7, R23)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sampler_rollouts.cluster.errors import CutOffError, UnavailableError
from sampler_rollouts.domain.observation import Mark, Sibling
from sampler_rollouts.domain.together import Suspects, Together
from sampler_rollouts.reconcile.siblings import LISTED_EVERY, Siblings

from tests.unit.operator.reconcile.world import Clock

SAID = (Sibling(("serving", "other"), "1", (Mark("2", "image x"),)),)
ACROSS = Suspects.model_validate({"acrossNamespaces": ["serving", "team-*"]})


class Listing:
    """An API server that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[Together] = []
        self.error: Exception | None = None

    def siblings(self, within: Together) -> tuple[Sibling, ...]:
        self.asked.append(within)
        if self.error:
            raise self.error
        return SAID


def setting(*more: Any) -> tuple[Clock, Any, Siblings]:
    clock = Clock()
    return clock, Listing(), Siblings(clock, *more)


def heard(siblings: Siblings, cluster: Any, namespace: str = "serving") -> Any:
    """By what failed, in which SamplerRollouts."""
    found = siblings.of(cluster, namespace)
    return found and {what: [place for _, place, _ in every] for what, every in found.failed.items()}


def test_many_reconciles_share_one_listing() -> None:
    clock, cluster, siblings = setting()
    assert [heard(siblings, cluster) for _ in range(9)] == [{"image x": [("serving", "other")]}] * 9
    assert cluster.asked == [Together(("serving",))]
    siblings.of(cluster, "elsewhere")
    clock.now += timedelta(seconds=LISTED_EVERY)
    siblings.of(cluster, "serving")
    assert [one.named for one in cluster.asked] == [("serving",), ("elsewhere",), ("serving",)]


def test_namespaces_that_heed_each_other_share_one_listing_and_no_other_has_part_in_it() -> None:
    _, cluster, siblings = setting(ACROSS)
    for namespace in ("serving", "team-a", "team-b", "other"):
        siblings.of(cluster, namespace)
    assert cluster.asked == [Together(("serving", "team-*")), Together(("other",))]
    siblings.changed("team-c")
    siblings.of(cluster, "serving")
    siblings.of(cluster, "other")
    assert len(cluster.asked) == 3, "what failed in one of them is news in all"
    siblings.changed("other")
    siblings.of(cluster, "serving")
    assert len(cluster.asked) == 3


def test_of_those_only_the_watched_ones_are_heeded() -> None:
    _, cluster, siblings = setting(ACROSS, ("serving", "team-b", "other"))
    found = siblings.of(cluster, "serving")
    assert found is not None
    assert found.within.names == ("serving", "team-b")


def test_namespaces_that_are_gone_are_not_remembered() -> None:
    clock, cluster, siblings = setting()
    for number in range(50):
        siblings.of(cluster, f"preview-{number}")
        clock.now += timedelta(seconds=LISTED_EVERY / 2)
    assert len(siblings._listed) <= 3


def test_what_has_just_failed_is_told_at_the_next_look() -> None:
    _, cluster, siblings = setting()
    siblings.of(cluster, "serving")
    siblings.changed("serving")
    siblings.of(cluster, "serving")
    assert len(cluster.asked) == 2


def test_a_clock_that_jumps_back_does_not_make_a_listing_last() -> None:
    clock, cluster, siblings = setting()
    siblings.of(cluster, "serving")
    clock.now -= timedelta(days=1)
    siblings.of(cluster, "serving")
    assert len(cluster.asked) == 2


def test_an_error_is_not_a_namespace_without_failures() -> None:
    _, cluster, siblings = setting()
    cluster.error = UnavailableError("away")
    assert siblings.of(cluster, "serving") is None
    cluster.error = None
    assert heard(siblings, cluster) == {"image x": [("serving", "other")]}


def test_a_reconcile_that_was_cut_off_ends_here_too() -> None:
    _, cluster, siblings = setting()
    cluster.error = CutOffError("no permit")
    with pytest.raises(CutOffError):
        siblings.of(cluster, "serving")
