"""More failures that samplers in public have had (the simple ones are in test_sampling_semantics), and the long proofs.

LONG=<n> multiplies the random rows and draws, and sweeps shapes; the default is a sample.
"""

import os
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from samplerd import oracle, sampling
from samplerd.audit import drawn_in
from samplerd.rows import Rows

from tests.unit.samplerd import made

LONG = int(os.environ.get("LONG", "0"))


@cache
def compiled(vocabulary: int | None = None, size: int = sampling.CANDIDATES) -> Any:
    return jax.jit(partial(sampling.sample, vocabulary=vocabulary, size=size))


def g_statistic(counts: Any, shares: Any) -> float:
    expected = shares * counts.sum()
    seen = counts > 0
    return float(2 * np.sum(counts[seen] * np.log(counts[seen] / expected[seen])))


@pytest.mark.long
def test_draws_follow_the_distribution_into_the_far_tail() -> None:
    """vllm#43150, #37798, #51367: 24-bit noise never draws tokens whose share is below 2^-24, or too seldom.

    One token has nearly everything; 4000 tokens 17 nats below it share 1.7e-4 among them, 4e-8 each.
    """
    rounds, rows, tail = (40 if LONG else 1), 4000, 4000
    logits = np.full((rows, tail + 4), -17.0, np.float32)
    logits[:, :4] = [0.0, -1.0, -3.0, -6.0]
    shares = np.exp(logits[0].astype(np.float64))
    shares /= shares.sum()
    grouped = np.array([*shares[:4], shares[4:].sum()])
    counts = np.zeros(5)
    lifted = logits.copy()
    lifted[:, :4] -= 80.0  # the same tail without its head: all tokens of it must be alike
    alike = np.zeros(tail)
    for turn in range(rounds):
        asked = made.rows(rows, seed=turn * rows, position=turn)
        token = np.asarray(compiled()(logits, asked).token)
        counts += np.bincount(np.minimum(token, 4), minlength=5)
        alike += np.bincount(np.asarray(compiled()(lifted, asked).token) - 4, minlength=tail + 1)[:tail]
    assert g_statistic(counts, grouped) < 23.5, "df 4, 1e-4"
    eight = alike.reshape(8, -1).sum(axis=1)
    assert g_statistic(eight, np.full(8, 1 / 8)) < 29.9, "df 7, 1e-4"


@pytest.mark.parametrize("rows", [4, 16])
def test_a_dot_in_lower_precision_before_the_sampler_changes_nothing(rows: int) -> None:
    """XLA may keep a bfloat16 dot in float32 for one reader and round it for another: the best token was lost."""
    generator = np.random.default_rng(rows)
    hidden = jnp.asarray(generator.standard_normal((rows, 64)), jnp.bfloat16)
    head = jnp.asarray(generator.standard_normal((64, 4096)), jnp.bfloat16)

    @jax.jit
    def step(hidden: Any, head: Any, asked: Rows) -> Any:
        logits = lax.optimization_barrier(hidden @ head)
        return logits, sampling.sample(logits, asked)

    asked = made.rows(rows, top_k=5)
    asked.temperature[: rows // 2] = 0
    logits, got = step(hidden, head, asked)
    exact = np.asarray(logits.astype(jnp.float32))
    for row in range(rows):
        assert oracle.judge(oracle.expect(exact[row], made.request(asked, row)), drawn_in(got, row)) is None


def test_half_precision_logits_are_taken_as_they_are() -> None:
    """Samplers that compare or sum in the logits' own type: Megatron-LM#7182, litgpt#2325, mlx-lm#1912."""
    logits = jnp.asarray(made.logits(np.random.default_rng(5), 8, 600, "normal"), jnp.float16)
    asked = made.rows(8, top_p=0.9999)
    got = compiled()(logits, asked)
    for row in range(8):
        exact = np.asarray(logits[row], np.float32)
        assert oracle.judge(oracle.expect(exact, made.request(asked, row)), drawn_in(got, row)) is None


def test_padding_never_comes_out_even_where_all_logits_are_negative() -> None:
    """mirage#751, #752, mlx-vlm#1917, verl#7882: zeros, or junk, behind the real vocabulary win."""
    logits = made.logits(np.random.default_rng(1), 6, 1000, "negative")
    for junk in (0.0, 1e30, np.nan, np.inf):
        logits[:, 901:] = junk
        for asked in (made.rows(6), made.rows(6, top_k=20), made.rows(6, temperature=0.0)):
            got = compiled(901)(logits, asked)
            assert np.asarray(got.valid).all()
            for row in range(6):
                expected = oracle.expect(logits[row, :901], made.request(asked, row))
                assert oracle.judge(expected, drawn_in(got, row)) is None


def test_every_place_of_a_block_and_of_its_border_can_win() -> None:
    """vllm#44744, tt-metal#52928, mirage#752: the last lane of a tile, a short last block, the first of the next."""
    for vocabulary in (97, 2113):
        places = np.unique([*range(0, 70), *range(vocabulary - 40, vocabulary)])
        logits = np.full((len(places), vocabulary), -3.0, np.float32)
        logits[np.arange(len(places)), places] = 2.0
        for asked in (made.rows(len(places), temperature=0.0), made.rows(len(places), top_k=1)):
            got = compiled()(logits, asked)
            assert (np.asarray(got.token) == places).all()
            assert (np.asarray(got.best) == places).all()


def test_steps_and_rows_of_one_request_differ() -> None:
    """tpu-inference#1189, TensorRT-Edge-LLM#211, vllm#50440: the same noise at every step, or in every row."""
    logits = np.zeros((64, 4004), np.float32)
    asked = made.rows(64)
    asked.seed[:] = 5
    asked.position[:] = np.arange(64)
    assert len(set(np.asarray(compiled()(logits[:, :], asked).token).tolist())) > 50


def near_ties(generator: np.random.Generator, rows: int, vocabulary: int) -> Any:
    """Logits one unit in the last place apart, and nuclei that end exactly at a prefix sum."""
    steps = generator.integers(-3, 4, (rows, vocabulary))
    logits = (np.float32(4.0).view(np.int32) + steps).astype(np.int32).view(np.float32)
    logits[: rows // 2] = -np.log(2) * generator.integers(0, 12, (rows // 2, vocabulary))
    return logits


def test_the_kept_set_is_the_oracles_on_random_and_adversarial_rows() -> None:
    generator = np.random.default_rng(LONG)
    for turn in range(max(1, LONG) * 6):
        kind = ("near ties", *made.KINDS)[turn % (1 + len(made.KINDS))]
        count, vocabulary = 16, 1000
        rows = near_ties(generator, count, vocabulary)
        logits = rows if kind == "near ties" else made.logits(generator, count, vocabulary, kind)
        asked = Rows(
            temperature=generator.choice([0.0, 0.1, 0.7, 1.0, 2.0], count).astype(np.float32),
            top_k=generator.choice([-1, 0, 1, 2, 40, 64, 65, 500, vocabulary], count).astype(np.int32),
            top_p=generator.choice([0, 1e-8, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1], count).astype(np.float32),
            min_p=generator.choice([0, 0, 0, 1e-6, 0.01, 0.25, 0.5, 1], count).astype(np.float32),
            seed=generator.integers(0, 2**32, (count, 2), np.uint32),
            position=generator.integers(0, 2**31, count).astype(np.int32),
        )
        got = compiled(None, 16)(logits, asked)
        for row in range(count):
            expected = oracle.expect(logits[row], made.request(asked, row))
            assert oracle.judge(expected, drawn_in(got, row)) is None, (kind, made.request(asked, row))


@pytest.mark.long
def test_every_odd_batch_size() -> None:
    """tt-xla#5772: rows beyond the 32nd were cut off."""
    logits = made.logits(np.random.default_rng(2), 513, 700, "normal")
    asked = made.rows(513, top_k=30, top_p=0.9)
    whole = np.asarray(compiled()(logits, asked).token)
    for count in (1, 2, 3, 7, 31, 32, 33, 63, 64, 65, 127, 129, 255, 257, 512) if LONG else (33,):
        some = Rows(*(column[:count] for column in asked[:6]))
        assert (np.asarray(compiled()(logits[:count], some).token) == whole[:count]).all()
