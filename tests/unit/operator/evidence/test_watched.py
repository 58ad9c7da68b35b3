"""What a bake takes for data: the same reasons that the evidence gives (domain/evidence/look.py)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.look import UNDECIDED, CheckLook, Verdict
from sampler_rollouts.domain.evidence.samples import SampleSet

from tests.unit.operator.evidence.build import AUDIT, ERRORS, SCRAPE, START, Values, at, audit, pair, question

OLD = {"c1": START - timedelta(hours=1)}
"""A pod that is older than the bake: its counters do not count from zero."""


def looks(checked: Values, bad: Values, until: float) -> list[CheckLook]:
    series = [*pair(checked, bad), *audit(checked, bad)]
    found = evaluate(question(ERRORS, AUDIT, births=OLD), SampleSet(tuple(series), scrape_interval=SCRAPE), at(until))
    return [found.looks[("pool", check)] for check in ("errors", "replay-audit")]


@pytest.mark.parametrize("checked", [[70] * 5, [70, 71, 75, 75, 80]], ids=["no request", "some requests"])
def test_quiet_pods_have_data(checked: Values) -> None:
    for look in looks(checked, [2] * 5, 5):
        assert (look.verdict, look.reason in UNDECIDED) == (Verdict.INCONCLUSIVE, True)


@pytest.mark.parametrize(
    ("checked", "bad", "until"),
    [([70] * 5, [2] * 5, 12), ([], [], 5), ([70] * 5, [None] * 5, 5), ([None] * 5, [2] * 5, 5)],
    ids=["stale", "nothing", "half a pair", "the other half"],
)
def test_what_is_lacking_is_no_data(checked: Values, bad: Values, until: float) -> None:
    for look in looks(checked, bad, until)[:1]:
        assert look.verdict is Verdict.INCONCLUSIVE
        assert look.reason not in UNDECIDED
