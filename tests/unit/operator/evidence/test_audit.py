"""The replay audit: an invariant, confirmed on a second pod or in a second interval."""

from __future__ import annotations

import pytest
import quality_contract
from quality_contract import AUDIT_KINDS, AUDIT_MISMATCH
from sampler_rollouts.domain.evidence.audit import describe_mismatches
from sampler_rollouts.domain.evidence.counters import LabelKey
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.look import CheckLook
from sampler_rollouts.domain.evidence.samples import Series

from tests.unit.operator.evidence.build import AUDIT, at, audit, question, samples, series, summary


def look(*found: list[Series], now: float = 3) -> CheckLook:
    evidence = evaluate(question(AUDIT, serving=frozenset({"c1"})), samples(*found), at(now))
    return evidence.looks["pool", "replay-audit"]


def test_clean_tokens_pass_when_there_are_enough() -> None:
    assert summary(look(audit([0, 2000, 4000], [0, 0, 0]))) == ("Passed", "", 4000, 0)
    assert summary(look(audit([0, 100, 200], [0, 0, 0]))) == ("Inconclusive", "TooFewTokens", 200, 0)


def test_one_mismatch_waits_for_another() -> None:
    one = look(audit([0, 100, 200], [0, 1, 1]))
    assert summary(one) == ("Inconclusive", "UnconfirmedMismatch", 200, 1)
    assert one.detail == "1 x other-token at batch 8, on 1 pod"
    assert one.log_e < one.log_threshold


def test_many_in_one_interval_of_one_pod_are_one() -> None:
    assert look(audit([0, 100, 200], [0, 50, 50])).reason == "UnconfirmedMismatch"


def test_a_second_interval_confirms() -> None:
    confirmed = look(audit([0, 100, 200], [0, 1, 2]))
    assert summary(confirmed) == ("Failed", "", 200, 2)
    assert confirmed.log_e >= confirmed.log_threshold


def test_a_second_pod_confirms_in_the_same_scrape() -> None:
    found = look(audit([0, 100], [0, 1]), audit([0, 100], [0, 3], pod="c2", kind="best-dropped", bucket="16"))
    assert found.verdict.value == "Failed"
    assert found.detail.startswith("3 x best-dropped at batch 16, 1 x other-token at batch 8, on 2 pods")


def test_confirmation_needs_no_fresh_data_and_no_alpha() -> None:
    stale = look(audit([0, 100, 200], [0, 1, 2]), now=500)
    assert stale.verdict.value == "Failed"


def test_a_single_mismatch_passes_once_the_bound_with_it_is_below_the_limit() -> None:
    assert look(audit([0, 7000, 7001], [0, 1, 1])).reason == "UnconfirmedMismatch"
    assert summary(look(audit([0, 7000, 9000], [0, 1, 1]))) == ("Passed", "", 9000, 1)


def test_a_restart_confirms_too() -> None:
    assert look(audit([0, 100, 20], [0, 1, 1])).verdict.value == "Failed"


def test_mismatches_of_another_mode_or_kind_add_up() -> None:
    other = [series(AUDIT_MISMATCH, [0, 0, 1], batch_bucket="8", mode="sampled", kind="invalid-row")]
    assert look(audit([0, 100, 200], [0, 1, 1]), other).verdict.value == "Failed"


def test_without_the_family_of_mismatches_nothing_passes() -> None:
    tokens = audit([0, 9000, 9000], [0, 0, 0])[:1]
    assert look(tokens).reason == "InvalidData"


@pytest.mark.parametrize("value", ["", "a\nb", "x" * 41, "Hello, wörld", "{}", "my dear diary", "other-tokens"])
def test_words_that_are_not_the_contracts_do_not_reach_the_status(value: str) -> None:
    text = describe_mismatches({"c1": {(("batch_bucket", value), ("kind", value)): 2}})
    assert text == "2 x unknown at batch unknown, on 1 pod"


def test_every_kind_of_the_contract_is_told() -> None:
    kinds = {value for name, value in vars(quality_contract).items() if name.startswith("KIND_")}
    assert kinds == set(AUDIT_KINDS)
    for kind in kinds:
        assert describe_mismatches({"c1": {(("batch_bucket", "8"), ("kind", kind)): 1}}).startswith(f"1 x {kind} at")


def test_only_the_worst_are_named() -> None:
    by_label: dict[LabelKey, int] = {(("batch_bucket", str(i)), ("kind", "other-token")): i for i in range(1, 7)}
    text = describe_mismatches({"c1": by_label})
    assert text.startswith("6 x other-token at batch 6, ")
    assert text.endswith("4 x other-token at batch 4, 3 other kinds or batches, on 1 pod")
