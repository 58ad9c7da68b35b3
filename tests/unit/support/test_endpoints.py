"""What of a cluster under random kills is the operator's doing, and what is a new kubelet's."""

from __future__ import annotations

from typing import Any

import pytest

from local.demo.tally import OK, SERVER_ERROR, UNREACHABLE, Record
from tests.soak.test_random_kills import failed_by_us
from tests.support.endpoints import LAG, TAKEN_FOR_READY, Seen, may_be_starting, seen_in, taken_away

KUBELET = 100.0


def seen(at: float, ready: str, unready: str = "") -> Seen:
    """Pods of one letter."""
    return Seen(at, frozenset(ready), frozenset(unready))


def endpoint(name: str, **conditions: bool) -> dict[str, Any]:
    return {"targetRef": {"kind": "Pod", "name": name}, "conditions": conditions}


def test_slices_are_read_together() -> None:
    slices = [
        {"endpoints": [endpoint("a", ready=True), endpoint("b", ready=False, serving=False, terminating=False)]},
        {"endpoints": [endpoint("c", ready=False, serving=True, terminating=True), endpoint("d")]},
        {"endpoints": None},
    ]
    assert seen_in(slices, 1.0) == seen(1.0, "ad", "b")


@pytest.mark.parametrize(
    "last",
    [
        seen(KUBELET + 3, ""),
        seen(KUBELET + 3, "", "c"),
        seen(KUBELET + 3, "", "a"),
        seen(KUBELET - 3, "", "ab"),
        seen(KUBELET + TAKEN_FOR_READY + 1, "", "ab"),
    ],
    ids=["all gone", "but one that starts", "one of two gone", "before the kubelet", "long after it"],
)
def test_the_last_ready_pods_are_taken(last: Seen) -> None:
    assert taken_away([seen(10, "ab"), last, seen(200, "a")], [KUBELET]) == [last]


def test_a_kubelet_that_has_not_probed_yet_takes_nobody() -> None:
    assert taken_away([seen(10, "ab"), seen(KUBELET + 3, "", "abc"), seen(110, "abc")], [KUBELET]) == []


def test_a_service_that_never_had_a_pod_lost_none() -> None:
    assert taken_away([seen(1, ""), seen(2, "", "a"), seen(3, "a"), seen(4, "b")], []) == []


STORY = [seen(10, "ab", "c"), seen(KUBELET + 2, "abc"), seen(KUBELET + 6, "ab", "c"), seen(130, "abc")]


@pytest.mark.parametrize(
    ("at", "may"),
    [
        (KUBELET - 1, False),
        (KUBELET + 1, True),
        (KUBELET + 4, True),
        (KUBELET + 6 + LAG, True),
        (KUBELET + 6 + LAG + 1, False),
        (130.5, False),
    ],
)
def test_only_where_a_pod_came_after_the_kubelet(at: float, may: bool) -> None:
    assert may_be_starting(at, STORY, [KUBELET]) is may


def test_nobody_came() -> None:
    """The operator took the last pods: refused connections are the same to a client."""
    story = [seen(10, "ab"), seen(KUBELET + 1, "")]
    assert not may_be_starting(KUBELET + 2, story, [KUBELET])


def test_nobody_who_answered_before_is_left() -> None:
    story = [seen(10, "ab"), seen(KUBELET + 1, "c")]
    assert not may_be_starting(KUBELET + 2, story, [KUBELET])


@pytest.mark.parametrize(("story", "failed"), [(STORY, 0), ([seen(10, "ab"), seen(KUBELET + 1, "")], 2)])
def test_requests_that_failed_by_us(story: list[Seen], failed: int) -> None:
    """The soak under random kills: the same refused connections, beside a kubelet that was killed."""
    records = [
        Record(KUBELET + at, 0.1, "", outcome, detail=detail)
        for at, outcome, detail in [
            (1.5, UNREACHABLE, "ConnectError: refused"),
            (3.0, SERVER_ERROR, "HTTP 503 starting"),
            (3.5, OK, ""),
        ]
    ]
    kills = [(KUBELET - 20, "etcd"), (KUBELET, "kubelet")]
    assert len(failed_by_us(records, story, kills)) == failed


def test_it_came_without_a_kubelet() -> None:
    assert not may_be_starting(KUBELET + 4, STORY, [])
