"""Other SamplerRollouts are listed once in a while, and a listing that fails holds nothing up (R7, R23)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sampler_rollouts.cluster.errors import CutOffError, UnavailableError
from sampler_rollouts.domain.observation import Mark, Sibling
from sampler_rollouts.reconcile.siblings import LISTED_EVERY, Siblings

from tests.unit.operator.reconcile.world import Clock

SAID = (Sibling("other", "1", (Mark("2", "image x"),)),)


class Listing:
    """An API server that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: Exception | None = None

    def siblings(self, namespace: str) -> tuple[Sibling, ...]:
        self.asked.append(namespace)
        if self.error:
            raise self.error
        return SAID


def setting() -> tuple[Clock, Any, Siblings]:
    clock = Clock()
    return clock, Listing(), Siblings(clock)


def test_many_reconciles_share_one_listing() -> None:
    clock, cluster, siblings = setting()
    assert [siblings.of(cluster, "serving") for _ in range(9)] == [SAID] * 9
    assert cluster.asked == ["serving"]
    siblings.of(cluster, "elsewhere")
    clock.now += timedelta(seconds=LISTED_EVERY)
    siblings.of(cluster, "serving")
    assert cluster.asked == ["serving", "elsewhere", "serving"]


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
    assert siblings.of(cluster, "serving") == SAID


def test_a_reconcile_that_was_cut_off_ends_here_too() -> None:
    _, cluster, siblings = setting()
    cluster.error = CutOffError("no permit")
    with pytest.raises(CutOffError):
        siblings.of(cluster, "serving")
