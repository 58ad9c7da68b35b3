"""Failures that samplers in public have had, each as a small case with its right answer written out."""

import re
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
import pytest
from samplerd import oracle, sampling
from samplerd.audit import mode_of
from samplerd.rows import Sampled

from tests.unit.samplerd import made

run: Any = jax.jit(sampling.sample)
INF = float("inf")
ROWS, WIDE = 32, 8193
"""One shape for all that need a large vocabulary, which is not a multiple of anything: a program takes seconds."""


def sample(row: list[float], **parameters: Any) -> Sampled:
    """Sixteen draws from one row."""
    logits = np.tile(np.array(row, np.float32), (16, 1))
    return run(logits, made.rows(16, **parameters))


def tokens(row: list[float], **parameters: Any) -> set[int]:
    return set(np.asarray(sample(row, **parameters).token).tolist())


def kept(row: list[float], **parameters: Any) -> int:
    return int(sample(row, **parameters).kept[0])


DYADIC = [np.log(p) for p in (0.5, 0.25, 0.125, 0.125)]


def test_top_p_is_the_shortest_prefix_that_reaches_p() -> None:
    assert kept(DYADIC, top_p=0.6) == 2
    assert kept(DYADIC, top_p=0.8) == 3
    assert kept(DYADIC, top_p=0.9) == 4


def test_top_p_that_is_exactly_a_prefix_sum_needs_no_further_token() -> None:
    ln2 = float(np.float32(np.log(2)))
    row = [0.0, -ln2, -ln2]  # masses 2 : 1 : 1
    assert kept(row, top_p=0.4999) == 1
    assert kept([0.0, 0.0, 0.0, 0.0], top_p=0.5) == 2
    assert kept([0.0, 0.0, 0.0, 0.0], top_p=0.75) == 3


@pytest.mark.parametrize("top_p", [0.0, 1e-30, 1e-8, 1e-7, 1e-4, 1e-3])
def test_a_tiny_top_p_keeps_the_best_token(top_p: float) -> None:
    assert tokens(DYADIC, top_p=top_p) == {0}


@pytest.mark.parametrize("min_p", [1e-46, 1.4e-45, 1e-40, 1.17e-38])
def test_a_subnormal_min_p_is_off_for_the_oracle_too(min_p: float) -> None:
    row = [0.0, -16.0, -17.0, -30.0]
    assert kept(row, min_p=min_p) == 4
    assert kept(row, min_p=1.2e-38) == 2
    for asked, count in ((min_p, 4), (1.2e-38, 2)):
        request = oracle.Request(1.0, 0, 1.0, seed=1, position=0, min_p=asked)
        assert oracle.expect(np.array(row, np.float32), request).kept.size == count
        assert mode_of(request, 4) == ("full" if count == 4 else "truncated")


def test_top_p_is_taken_within_what_top_k_kept() -> None:
    row = [float(x) for x in np.log([0.2] * 5)]
    assert kept(row, top_k=1, top_p=0.8) == 1
    assert kept(row, top_k=4, top_p=0.5) == 2


@pytest.mark.parametrize("temperature", [0.1, 0.7, 1.0, 2.0])
def test_top_k_of_one_is_greedy_also_on_ties(temperature: float) -> None:
    assert tokens([1.0, 3.0, 3.0, 3.0], temperature=temperature, top_k=1) == {1}


def test_ties_at_the_boundary_never_keep_more_than_k() -> None:
    row = [float(x) for x in np.log([0.4, 0.3, 0.3])] + [-INF]
    assert kept(row, top_k=2) == 2
    assert tokens(row, top_k=2) <= {0, 1}
    assert kept([2.0] * 9, top_k=4) == 4
    assert tokens([2.0] * 9, top_k=4) <= {0, 1, 2, 3}


@pytest.mark.parametrize("top_k", [-1, 0, 4, 5, 2**31 - 1])
def test_top_k_off_is_off(top_k: int) -> None:
    assert kept(DYADIC, top_k=top_k) == 4
    assert len(tokens(DYADIC, top_k=top_k)) > 1


def test_minus_zero_is_zero_and_the_lower_id_wins() -> None:
    assert tokens([-1.0, -0.0, 0.0], temperature=0.0) == {1}
    assert tokens([-1.0, -0.0, 0.0], top_k=1) == {1}
    assert tokens([-1.0, -1e-40, 0.0], temperature=0.0) == {1}  # a subnormal is zero, too


def test_temperature_zero_beside_a_random_row_with_masks() -> None:
    logits = np.array([[1.0, -INF, 2.0, -INF], [0.0, 0.0, -INF, 0.0]], np.float32)
    rows = made.rows(2)
    rows.temperature[0] = 0
    got = run(logits, rows)
    assert int(got.token[0]) == 2
    assert int(got.token[1]) in {0, 1, 3}
    assert bool(got.valid.all())


def test_masked_tokens_never_come_out() -> None:
    row = [-INF, 0.0, -INF, -30.0]
    for parameters in ({}, {"top_k": 3}, {"top_p": 0.9999999}, {"temperature": 2.0}):
        assert tokens(row, **parameters) <= {1, 3}
        assert kept(row, **parameters) <= 2


@pytest.mark.parametrize(
    "bad", [[np.nan, 1.0, 2.0], [1.0, 2.0, np.nan], [INF, 0.0, 1.0], [-INF] * 3, [np.nan] * 3, [INF, INF, -INF]]
)
def test_an_invalid_row_says_so_and_leaves_its_neighbours_alone(bad: list[float]) -> None:
    good = np.array([0.5, 1.5, 0.25], np.float32)
    rows = made.rows(3)
    alone = run(np.stack([good, good, good]), rows)
    beside = run(np.stack([good, np.array(bad, np.float32), good]), rows)
    assert np.asarray(beside.valid).tolist() == [True, False, True]
    assert int(beside.token[1]) == 0
    for row in (0, 2):
        assert int(beside.token[row]) == int(alone.token[row])
        assert int(beside.kept[row]) == int(alone.kept[row])


@pytest.mark.parametrize(("rows", "vocabulary"), [(64, 64), (ROWS, WIDE)])
def test_a_nan_is_seen_wherever_it_stands(rows: int, vocabulary: int) -> None:
    for first in range(0, 64, rows):
        logits = made.logits(np.random.default_rng(8), rows, vocabulary, "normal")
        places = np.linspace(0, vocabulary - 1, 64).astype(int)[first : first + rows]
        logits[np.arange(rows), places] = np.nan
        assert not np.asarray(run(logits, made.rows(rows)).valid).any()


@pytest.mark.parametrize("parameters", [{}, {"top_k": 40}, {"top_p": 0.9}, {"top_k": 40, "top_p": 0.9}])
def test_a_request_gives_the_same_token_in_any_batch(parameters: dict[str, float]) -> None:
    logits = made.logits(np.random.default_rng(5), ROWS, WIDE, "normal")
    rows = made.rows(ROWS, **parameters)  # type: ignore[arg-type]
    together = np.asarray(run(logits, rows).token)
    order = np.random.default_rng(6).permutation(ROWS)
    shuffled = run(logits[order], jax.tree.map(lambda column: column[order], rows))
    assert (np.asarray(shuffled.token) == together[order]).all()
    for row in (0, 31):
        mine = slice(row, row + 1)
        alone = run(logits[mine], type(rows)(*(column[mine] for column in rows[:6])))
        assert int(alone.token[0]) == together[row]


def test_sizes_at_the_edges_of_tiles() -> None:
    logits = np.full((ROWS, WIDE), -5.0, np.float32)
    logits[:, -1] = 5
    got = run(logits, made.rows(ROWS, temperature=0.0))
    assert np.asarray(got.token).tolist() == [WIDE - 1] * ROWS


def test_the_fast_selection_stays_fast() -> None:
    """XLA turns TopK into a full sort, a hundred times slower, at the slightest provocation."""
    shape = jax.ShapeDtypeStruct((4, 49152), np.float32)
    text: str = run.lower(shape, made.rows(4)).compile().as_text()
    assert 'custom_call_target="TopK"' in text
    sorted_widths = [int(width) for width in re.findall(r"\[(?:\d+,)*(\d+)\]\S* sort\(", text)]
    assert max(sorted_widths, default=0) <= sampling.CANDIDATES, "block numbers are sorted, the vocabulary is not"
    assert "bf16" not in text


def frequencies(got: npt.NDArray[np.int32], size: int) -> npt.NDArray[np.float64]:
    return np.bincount(got, minlength=size) / len(got)


@pytest.mark.parametrize("parameters", [{}, {"top_k": 1025}, {"top_k": 5}, {"top_p": 0.99}])
def test_draws_follow_the_distribution(parameters: dict[str, float]) -> None:
    weights = np.array([0.4, 0.3, 0.2, 0.08, 0.02])
    count = 20_000
    logits = np.tile(np.log(weights).astype(np.float32), (count, 1))
    got = np.asarray(run(logits, made.rows(count, **parameters)).token)  # type: ignore[arg-type]
    error = np.sqrt(weights * (1 - weights) / count)
    assert (np.abs(frequencies(got, 5) - weights) < 4.5 * error).all()
