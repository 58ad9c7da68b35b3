"""The sampler that serves and the oracle, written separately from docs/sampling.md, agree on everything they claim."""

from dataclasses import replace
from functools import cache
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samplerd import oracle, sampling, winner
from samplerd.audit import drawn_in
from samplerd.rows import Rows

from tests.support.examples import examples
from tests.unit.samplerd import made

SHAPES = [(1, 1), (3, 17), (2, 1025), (4, 3000)]
PARAMETERS = [
    {"temperature": 0.0},
    {"temperature": 1.0},
    {"temperature": 0.7, "top_k": 1},
    {"temperature": 0.7, "top_k": 50, "top_p": 0.95},
    {"temperature": 1.0, "top_k": 1500, "top_p": 0.9},
    {"temperature": 1.0, "top_k": 2000},
    {"temperature": 1.5, "top_p": 0.999},
    {"temperature": 0.1, "top_p": 0.5},
    {"temperature": 2.0, "top_p": 1e-8},
    {"temperature": 1.0, "top_p": 0.0},
    {"temperature": 1e-4, "top_k": -1, "top_p": 0.99},
    {"min_p": 0.02},
    {"temperature": 1.3, "min_p": 1e-6, "top_k": 30, "top_p": 0.99},
    {"min_p": 1e-7, "top_p": 0.999},
    {"min_p": 1.0},
]


@cache
def compiled(size: int) -> Any:
    return jax.jit(lambda logits, rows: sampling.sample(logits, rows, size=size))


def check(logits: npt.NDArray[np.float32], rows: Rows, size: int = 64) -> None:
    got = compiled(size)(logits, rows)
    for row in range(len(logits)):
        expected = oracle.expect(logits[row], made.request(rows, row))
        drawn = drawn_in(got, row)
        assert drawn.valid == expected.valid
        assert drawn.best == expected.best
        if drawn.valid:
            assert drawn.kept == len(expected.kept)
            assert drawn.threshold == expected.threshold
        assert oracle.judge(expected, drawn) is None
        if drawn.valid:
            assert oracle.judge(expected, replace(drawn, kept=drawn.kept + 1)) == "kept-set"
            assert oracle.judge(expected, replace(drawn, threshold=drawn.threshold + 1e30)) == "kept-set"


@pytest.mark.parametrize("kind", made.KINDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equal_for_every_nature_of_logits(kind: str, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng([*kind.encode(), *shape])
    logits = made.logits(rng, *shape, kind)
    for parameters in PARAMETERS:
        check(logits, made.rows(shape[0], **parameters))


@pytest.mark.parametrize("kind", ["normal", "zipf", "ties", "flat"])
def test_equal_whatever_the_number_of_candidates(kind: str) -> None:
    logits = made.logits(np.random.default_rng(3), 4, 2000, kind)
    for parameters in PARAMETERS:
        for size in (1, 16, 300):
            check(logits, made.rows(4, **parameters), size)


def test_equal_where_a_few_blocks_do_not_settle_the_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one block scored the bound of the next is often higher: all tokens are scored then."""
    monkeypatch.setattr(winner, "SCORED", 1)
    compiled.cache_clear()
    logits = made.logits(np.random.default_rng(4), 16, 2000, "flat")
    for parameters in ({}, {"top_p": 0.999}):
        check(logits, made.rows(16, **parameters))
    compiled.cache_clear()


@settings(max_examples=examples(60), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(made.KINDS),
    temperature=st.one_of(st.just(0.0), st.floats(2**-20, 2.0)),
    top_k=st.integers(-1, 700),
    top_p=st.floats(0.0, 1.0),
    position=st.integers(0, 2**31 - 1),
)
def test_equal_for_any_request(
    seed: int, kind: str, temperature: float, top_k: int, top_p: float, position: int
) -> None:
    logits = made.logits(np.random.default_rng(seed), 3, 600, kind)
    rows = made.rows(3, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, position=position)
    check(logits, rows, size=16)


def test_mixed_rows_in_one_batch() -> None:
    rng = np.random.default_rng(9)
    logits = np.concatenate([made.logits(rng, 1, 3000, kind) for kind in made.KINDS])
    logits[3, 5] = np.nan
    rows = made.rows(len(logits))
    for row, parameters in enumerate(PARAMETERS[: len(logits)]):
        for name, value in parameters.items():
            getattr(rows, name)[row] = value
    check(logits, rows)
