"""Calibration: the surprisal of drawn tokens wanders about their entropy as far as its variance says, no farther."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from quality_contract import LARGEST_SURPRISAL_NATS
from samplerd import oracle, sampling
from samplerd.calibration import surprise
from samplerd.program import Executables
from samplerd.rows import Rows, Sampled

from tests.unit.samplerd import made
from tests.unit.samplerd.servers import Server, serving, until

ROWS, VOCABULARY, BATCHES = 200, 500, 20
Sampler = Callable[[jax.Array, Rows], Sampled]


@cache
def batch(number: int) -> tuple[npt.NDArray[np.float32], Rows]:
    """Rows of all natures, each with parameters and a seed of its own."""
    rng = np.random.default_rng([2025, number])
    kinds = ("normal", "flat", "peaked", "zipf", "ties", "masked")
    logits = np.concatenate(
        [made.logits(rng, ROWS, VOCABULARY, kind)[index :: len(kinds)] for index, kind in enumerate(kinds)]
    )
    rows = made.rows(len(logits))._replace(
        temperature=rng.uniform(0.3, 1.6, len(logits)).astype(np.float32),
        top_k=rng.choice([0, 0, 5, 80], len(logits)).astype(np.int32),
        top_p=rng.choice([1, 1, 0.6, 0.95], len(logits)).astype(np.float32),
        seed=rng.integers(0, 2**32, (len(logits), 2), np.uint32),
    )
    return logits, rows


@cache
def expected(number: int) -> tuple[oracle.Expected, ...]:
    logits, rows = batch(number)
    return tuple(oracle.expect(row, made.request(rows, index)) for index, row in enumerate(logits))


@cache
def drift(sampler: Sampler, number: int) -> tuple[float, float, int]:
    """Surprisal less entropy, its variance, and how many tokens of a batch they are over."""
    drawn = np.asarray(jax.jit(sampler)(*batch(number)).token)
    found = [surprise(*pair) for pair in zip(expected(number), drawn.tolist(), strict=True)]
    inside = [one for one in found if one is not None]
    return sum(one.surprisal - one.entropy for one in inside), sum(one.variance for one in inside), len(inside)


def z_score(sampler: Sampler) -> float:
    drifts = [drift(sampler, number) for number in range(BATCHES)]
    return sum(one for one, _, _ in drifts) / math.sqrt(sum(variance for _, variance, _ in drifts))


@pytest.mark.long
def test_the_right_sampler_drifts_as_far_as_the_variance_says() -> None:
    drifts = [drift(sampling.sample, number) for number in range(BATCHES)]
    assert all(count == len(batch(0)[0]) for _, _, count in drifts)
    assert abs(z_score(sampling.sample)) < 2.6
    spread = sum(one**2 / variance for one, variance, _ in drifts)
    assert 7.4 < spread < 40.0, "chi-square with 20 degrees of freedom: 0.5 % at either end"


def hotter(logits: jax.Array, rows: Rows) -> Sampled:
    return sampling.sample(logits, rows._replace(temperature=rows.temperature * jnp.float32(1.15)))


def colder(logits: jax.Array, rows: Rows) -> Sampled:
    return sampling.sample(logits, rows._replace(temperature=rows.temperature * jnp.float32(0.85)))


def boosting(logits: jax.Array, rows: Rows) -> Sampled:
    """Two tokens that hardly ever come get three percent each at temperature 1."""
    floor = jax.nn.logsumexp(logits, axis=1, keepdims=True) + jnp.log(jnp.float32(0.03))
    return sampling.sample(logits.at[:, 30:32].max(floor), rows)


def losing(logits: jax.Array, rows: Rows) -> Sampled:
    """Half of the tokens are never found."""
    return sampling.sample(jnp.where(jnp.arange(VOCABULARY) % 2 == 0, logits, -jnp.inf), rows)


@pytest.mark.long
@pytest.mark.parametrize(("sampler", "sign"), [(hotter, 1), (colder, -1), (boosting, 1)])
def test_what_is_wrong_inside_the_sampler_drifts_away(sampler: Sampler, sign: int) -> None:
    assert sign * z_score(sampler) > 5


@pytest.mark.long
def test_lost_tokens_drift_too() -> None:
    assert abs(z_score(losing)) > 5


def test_one_row_by_hand() -> None:
    logits = np.log(np.array([0.5, 0.25, 0.25, 1e-9], np.float32))
    row = oracle.expect(logits, oracle.Request(temperature=1.0, top_k=3, top_p=1.0, seed=1, position=1))
    ln2 = math.log(2)
    found = surprise(row, 1)
    assert found is not None
    assert found.surprisal == pytest.approx(2 * ln2, rel=1e-6)
    assert found.entropy == pytest.approx(1.5 * ln2, rel=1e-6)
    assert found.variance == pytest.approx(0.25 * ln2**2, rel=1e-6)
    assert surprise(row, 3) is None, "outside the kept set"
    assert surprise(row, 4) is None, "no token at all"


def test_surprisal_is_clipped_and_so_is_what_is_expected_of_it() -> None:
    logits = np.array([0.0, -30.0], np.float32)
    row = oracle.expect(logits, oracle.Request(temperature=1.0, top_k=0, top_p=1.0, seed=1, position=1))
    rare = surprise(row, 1)
    assert rare is not None
    assert rare.surprisal == LARGEST_SURPRISAL_NATS
    assert rare.entropy == pytest.approx(math.exp(-30) * LARGEST_SURPRISAL_NATS, rel=1e-3)


async def sums(server: Server) -> dict[str, Counter[str]]:
    """The calibration counters, by mode."""
    found: dict[str, Counter[str]] = {}
    for (name, labels), value in (await server.scrape()).items():
        if name.startswith("sampler_audit_") and "kind" not in dict(labels) and name != "sampler_audit_dropped_total":
            short = name.removeprefix("sampler_audit_").removesuffix("_total")
            found.setdefault(short, Counter())[dict(labels)["mode"]] += value  # type: ignore[assignment]
    return found


async def audited(server: Server) -> None:
    async def done() -> bool:
        return (await sums(server))["tokens"].total() == await server.number("sampler_tokens_total")

    await until(done)


async def ask(server: Server, count: int, **parameters: Any) -> dict[str, Counter[str]]:
    await asyncio.gather(*(server.complete(max_tokens=10, **parameters) for _ in range(count)))
    await audited(server)
    return await sums(server)


@pytest.mark.long
async def test_only_random_draws_with_seeds_of_the_server_count(executables: Executables) -> None:
    async with serving(executables, queue_size=50) as server:
        for parameters in ({"seed": 5}, {"temperature": 0}, {"seed": 0, "top_k": 9}):
            found = await ask(server, 2, **parameters)
            assert found["tokens"].total() > 0
            assert not any(found[name].total() for name in ("calibrated_tokens", "surprisal_nats", "entropy_nats"))
        before = found["tokens"]
        found = await ask(server, 20)
        assert found["calibrated_tokens"] == found["tokens"] - before
        assert set(+found["calibrated_tokens"]) == {"full"}
        found = await ask(server, 20, top_p=0.9)
        assert set(found["calibrated_tokens"]) == {"full", "truncated"}
        drifted = found["surprisal_nats"].total() - found["entropy_nats"].total()
        assert abs(drifted) < 5 * math.sqrt(found["variance_nats2"].total())
        assert found["entropy_nats"].total() > 1.0 * found["calibrated_tokens"].total()
