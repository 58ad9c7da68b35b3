"""`from sampler import SamplingParams, sample, kept_tokens`."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from samplerd import oracle

from sampler import SamplingParams, kept_tokens, sample

LOGITS = np.random.default_rng(1).standard_normal((4, 300)).astype(np.float32) * 3


def test_kept_tokens_are_the_oracles_with_their_probabilities() -> None:
    for asked in ({}, {"top_k": 7}, {"top_p": 0.9, "temperature": 0.6}, {"min_p": 0.1}, {"temperature": 0.0}):
        params = SamplingParams(**asked)  # type: ignore[arg-type]
        found = kept_tokens(LOGITS[0], params)
        expected = oracle.expect(
            LOGITS[0], oracle.Request(params.temperature, params.top_k, params.top_p, 0, 0, params.min_p)
        )
        assert sorted(token for token, _ in found) == sorted(expected.kept.tolist())
        assert math.isclose(sum(share for _, share in found), 1.0)
        assert [share for _, share in found] == sorted((share for _, share in found), reverse=True)
        scaled = np.exp(LOGITS[0][[token for token, _ in found]].astype(np.float64) / (params.temperature or 1))
        assert np.allclose([share for _, share in found], scaled / scaled.sum(), rtol=2e-5)


@pytest.mark.long
def test_a_batch_of_different_rows_and_its_logprobs() -> None:
    params = [
        SamplingParams(seed=1, top_k=5),
        SamplingParams(seed=2, presence_penalty=1.5),
        SamplingParams(temperature=0.0),
        SamplingParams(seed=4, allowed_ids=[7, 9]),
    ]
    prompts, outputs = [[1]] * 4, [[2, 3]] * 4
    got = sample(LOGITS, params, [5] * 4, prompt_ids=prompts, output_ids=outputs)
    again = sample(LOGITS, params, [5] * 4, prompt_ids=prompts, output_ids=outputs)
    assert got.ids.tolist() == again.ids.tolist()
    assert got.valid.all()
    assert got.certified[[0, 2, 3]].all()
    assert got.ids[2] == LOGITS[2].argmax()
    assert got.logprobs[2] == 0
    assert got.ids[3] in (7, 9)
    for row in range(4):
        shares = dict(kept_tokens(LOGITS[row], params[row], prompts[row], outputs[row]))
        assert math.isclose(got.logprobs[row], math.log(shares[int(got.ids[row])]), abs_tol=2**-14)


@pytest.mark.long
def test_types_and_padding() -> None:
    for kind in (jnp.bfloat16,):  # a compiled program each; test_public_failures has float16
        logits = jnp.asarray(LOGITS).astype(kind)
        exact = np.asarray(logits.astype(jnp.float32))[:, :290]
        params = [SamplingParams(top_p=0.8, seed=9)] * 4
        got = sample(logits, params, [1] * 4, vocab_size=290)
        assert got.ids.tolist() == sample(exact, params, [1] * 4).ids.tolist()


def test_an_invalid_row_says_so() -> None:
    logits = LOGITS.copy()
    logits[1, 250] = np.nan
    got = sample(logits, [SamplingParams(seed=1)] * 4, [0] * 4)
    assert got.valid.tolist() == [True, False, True, True]
    assert got.ids[1] == 0
    assert kept_tokens(logits[1], SamplingParams()) == []


def test_without_a_seed_calls_differ() -> None:
    flat = np.zeros_like(LOGITS)
    assert len({tuple(sample(flat, [SamplingParams()] * 4, [0] * 4).ids.tolist()) for _ in range(3)}) > 1


WRONG: list[tuple[str, Any]] = [
    ("temperature", -1.0),
    ("temperature", math.nan),
    ("top_k", -2),
    ("top_k", 1.5),
    ("top_p", 1.01),
    ("min_p", -0.1),
    ("repetition_penalty", 0.0),
    ("presence_penalty", 2.5),
    ("frequency_penalty", math.inf),
    ("logit_bias", {1: 101.0}),
    ("logit_bias", {-1: 1.0}),
    ("logit_bias", dict.fromkeys(range(301), 1.0)),
    ("allowed_ids", []),
    ("allowed_ids", [-1]),
    ("seed", 2**64),
]


@pytest.mark.parametrize(("field", "value"), WRONG, ids=lambda value: str(value)[:20])
def test_what_is_out_of_range_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        SamplingParams(**{field: value})


def test_ids_that_do_not_exist_are_refused_by_name() -> None:
    """sglang#7670: a bias for id V."""
    for params, name in (
        (SamplingParams(logit_bias={300: 1.0}), "logit_bias"),
        (SamplingParams(allowed_ids=[300]), "allowed_ids"),
    ):
        with pytest.raises(ValueError, match=f"^{name}: "):
            kept_tokens(LOGITS[0], params)
    with pytest.raises(ValueError, match="prompt_ids"):
        kept_tokens(LOGITS[0], SamplingParams(presence_penalty=1.0), [300])
    with pytest.raises(ValueError, match=r"^positions: "):
        sample(LOGITS, [SamplingParams()] * 4, [0])
    with pytest.raises(ValueError, match=r"^vocab_size: "):
        sample(LOGITS, [SamplingParams()] * 4, [0] * 4, vocab_size=301)
