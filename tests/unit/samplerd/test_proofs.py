"""The long proofs (`tests/proofs`) in small: they pass an exact sampler, and each can fail."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samplerd import oracle, sampling
from samplerd.rows import Rows, Sampled

from tests.proofs import adversary, draws, kept_sets, row_oracle
from tests.unit.samplerd import made

KINDS = [kept_sets.Kind(1), kept_sets.Kind(65), kept_sets.Kind(129, size=1), kept_sets.Kind(97, "float16")]


@pytest.mark.parametrize("vocabulary", [1, 2, 33, 700])
def test_the_two_oracles_are_equal(vocabulary: int) -> None:
    batch = adversary.batch(np.random.default_rng(vocabulary), (280, vocabulary), "float32")
    kept = row_oracle.nucleus(batch.ordered, batch.limited, np.asarray(batch.asked.top_p))
    for row in range(len(batch.logits)):
        expected = oracle.expect(batch.logits[row], made.request(batch.asked, row))
        assert expected.valid == batch.ordered.valid[row]
        if expected.valid:
            mine = batch.ordered.ids[row, : kept[row]]
            assert sorted(mine) == sorted(expected.kept), made.request(batch.asked, row)
            assert mine[0] == expected.best
            assert batch.ordered.logits[row, kept[row] - 1] == expected.threshold


def test_the_rows_are_what_they_are_meant_to_be() -> None:
    batch = adversary.batch(np.random.default_rng(1), (1400, 300), "float32")
    assert 0.05 < (~batch.ordered.valid).mean() < 0.1
    assert batch.exact.mean() > 0.3
    values = np.sort(batch.logits[batch.ordered.valid], axis=1)
    apart = np.diff(values.view(np.int32), axis=1)
    assert ((apart == 1).sum(axis=1) >= 5).sum() > 50, "one unit in the last place"
    assert ((values[:, 1:] == values[:, :-1]).sum(axis=1) > 200).sum() > 100, "ties"
    kept = row_oracle.nucleus(batch.ordered, batch.limited, np.asarray(batch.asked.top_p))
    reached = np.take_along_axis(batch.limited.reached, kept[:, None] - 1, axis=1)[:, 0]
    shares = np.ceil(np.asarray(batch.asked.top_p, np.float64) * 2**24).astype(np.uint64)
    exactly = (reached * 2**24 == shares * batch.limited.total)[
        batch.exact & batch.ordered.valid & ~batch.ordered.greedy
    ]
    assert exactly.mean() > 0.05, "prefixes whose mass is the target to the last unit"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.label)
def test_the_sampler_passes(kind: kept_sets.Kind) -> None:
    outcome = kept_sets.prove(kind, 1, seed=2)
    assert outcome.rows == kind.rows
    assert outcome.wrong == 0, outcome.examples


WRONG = {
    "one token too many": lambda right: right._replace(kept=right.kept + 1),
    "another threshold": lambda right: right._replace(threshold=right.threshold - 1),
    "another best": lambda right: right._replace(best=right.best ^ 1),
    "another token": lambda right: right._replace(token=right.token ^ 1),
    "blind to what is invalid": lambda right: right._replace(valid=jnp.ones_like(right.valid)),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_sampler_does_not(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right: Any = sampling.sample
    monkeypatch.setattr(sampling, "sample", lambda logits, rows, size: WRONG[name](right(logits, rows, size=size)))
    outcome = kept_sets.prove(KINDS[1], 1, seed=2)
    least = 0.04 if name.startswith("blind") else 0.5
    assert least * outcome.rows < outcome.wrong
    assert len(outcome.examples) == 5


def test_a_sum_that_is_rounded_once_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The classical fault: the target of the nucleus in float32. Only p at a prefix's share shows it at this size."""
    right = sampling.mass.nucleus_target

    def rounded(total: jax.Array, top_p: jax.Array) -> jax.Array:
        return jnp.where(top_p < 1, (total.astype(jnp.float32) * top_p).astype(jnp.uint64), right(total, top_p))

    monkeypatch.setattr(sampling.mass, "nucleus_target", rounded)
    outcome = kept_sets.prove(kept_sets.Kind(66), 1, seed=2)
    assert 0 < outcome.wrong < 0.3 * outcome.rows


CASES = [draws.CASES[0], draws.CASES[2]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_draws_pass(case: draws.Case) -> None:
    found = draws.tested(draws.drawn(case, 50_000), case.shares())
    assert found.passed
    assert found.cells > 20


def hotter(logits: jax.Array, rows: Rows, size: int) -> Sampled:
    return sampling.sample(logits, rows._replace(temperature=rows.temperature * 1.05), size=size)


def without_a_tail(logits: jax.Array, rows: Rows, size: int) -> Sampled:
    return sampling.sample(jnp.where(logits < -8, -jnp.inf, logits), rows, size=size)


@pytest.mark.long
@pytest.mark.parametrize("sample", [hotter, without_a_tail])
def test_draws_of_another_distribution_fail(sample: Any) -> None:
    case = draws.CASES[0]
    assert not draws.tested(draws.drawn(case, 200_000, sample), case.shares()).passed


def test_a_token_that_cannot_come_fails_whatever_else() -> None:
    case = draws.CASES[2]
    shares = case.shares()
    counts = np.round(shares * 1e6).astype(np.int64)
    assert draws.tested(counts, shares).passed
    counts[np.flatnonzero(shares == 0)[0]] = 1
    assert not draws.tested(counts, shares).passed


def test_the_probability_is_that_of_chi_squared() -> None:
    counts = np.array([5100, 4900])
    found = draws.tested(counts, np.array([0.5, 0.5]))
    assert found.statistic == pytest.approx(4.0003, abs=1e-3)
    assert found.probability == pytest.approx(0.0455, abs=1e-3)
