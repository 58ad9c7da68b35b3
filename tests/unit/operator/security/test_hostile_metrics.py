"""Samples that somebody made up: bombs of labels, and numbers beyond all counting (R25).

Slow, endless, huge and broken answers: tests/unit/operator/metrics/test_hostile_server.py. Histories that only grow:
test_history.py beside it. Garbage by chance: tests/unit/operator/evidence/test_bad_data.py.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from quality_contract import BAD, CHECKED
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.look import Evidence, Verdict
from sampler_rollouts.domain.evidence.samples import Question

from tests.unit.operator.evidence.build import AUDIT, ERRORS, at, audit, pair, question, samples
from tests.unit.operator.metrics.misbehaving import fetch, matrix

PLACE = {"pod": "c1", "pool": "pool", "revision": "new", "namespace": "team", "rollout": "chat"}
WORDS_AT_MOST = 1024
INT64 = 2**63
SECONDS = 20.0
"""Of processor time for a bomb of 6,000 series, which takes about one; linear in their number, which is bounded."""


def asked() -> Question:
    return question(ERRORS, AUDIT, births=["c1"], serving=frozenset({"c1"}))


def series_of(number: int, label: str, moments: list[float], tag: str = "") -> dict[str, Any]:
    made = []
    for i in range(number):
        metric = (CHECKED, BAD)[i % 2]
        labels = {"__name__": metric, **PLACE, "check": "errors", "route_hash": "none", label: f"{tag}{i // 2}"}
        values = ((moment, str(count if metric == CHECKED else 0)) for count, moment in enumerate(moments))
        made.append((labels, list(values)))
    return matrix(*made)


def bounded(evidence: Evidence) -> None:
    """What goes on from here fits into a status that the API server takes."""
    assert len(evidence.looks) <= 2
    for look in evidence.looks.values():
        assert len(look.detail) < WORDS_AT_MOST
        assert 0 <= look.bad <= look.checked < INT64
    for traffic in evidence.traffic.values():
        assert 0 <= traffic.candidate < INT64


@pytest.mark.long
@pytest.mark.parametrize("label", ["route_hash", "check", "prompt", "x" * 200])
def test_a_bomb_of_labels_costs_bounded_time_and_says_nothing_of_itself(label: str) -> None:
    body = json.dumps(series_of(6000, label, [at(n).timestamp() for n in range(1, 4)])).encode()
    begun = time.process_time()
    got, _ = fetch(lambda handler: handler.answer(body), asked())
    evidence = evaluate(asked(), got, at(10))

    assert time.process_time() - begun < SECONDS
    bounded(evidence)
    assert not any(label in look.detail for look in evidence.looks.values())


@pytest.mark.parametrize("huge", [2.0**53, 2.0**53 + 2, 2.0**63, 1e19, 1e300, float("inf")])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_numbers_beyond_all_counting_fail_nobody_and_fit_into_a_status(huge: float, share: float) -> None:
    bad = huge * share if share else 0.0
    other = pair([0, 10, 20], [0, 0, 0], pod="c2")
    of_two = question(ERRORS, AUDIT, births=["c1", "c2"], serving=frozenset({"c1", "c2"}))
    found = samples(pair([0, 10, huge], [0, 0, bad]), other, audit([0, 10, huge], [0, 0, bad]))
    evidence = evaluate(of_two, found, at(3))

    bounded(evidence)
    assert all(look.verdict is not Verdict.FAILED for look in evidence.looks.values())


def test_one_pod_that_lies_about_everything_decides_nothing_alone() -> None:
    """All bad in one interval of one pod: a second pod, or a second interval, has to say so too."""
    honest = pair([0, 100, 200], [0, 0, 0], pod="c2")
    of_two = question(ERRORS, births=["c1", "c2"], serving=frozenset({"c1", "c2"}))
    evidence = evaluate(of_two, samples(pair([0, 0, 10**6], [0, 0, 10**6]), honest), at(3))

    assert evidence.looks["pool", "errors"].verdict is not Verdict.FAILED
