"""`from sampler import SamplingParams, sample, kept_tokens`."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samplerd import oracle

from sampler import SamplingParams, kept_tokens, sample

LOGITS = np.random.default_rng(1).standard_normal((4, 300)).astype(np.float32) * 3


def test_kept_tokens_are_the_oracles_with_their_probabilities() -> None:
    for asked in ({}, {"top_k": 7}, {"top_p": 0.9, "temperature": 0.6}, {"min_p": 0.1}, {"temperature": 0.0}):
        params = SamplingParams(**asked)
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
    ("allowed_ids", 5),
    ("allowed_ids", [[1, 2]]),
    ("allowed_ids", ["1"]),
    ("logit_bias", [(0, 1.0)]),
    ("logit_bias", {True: 1.0}),
    ("logit_bias", {1: "2"}),
    ("temperature", "1"),
    ("temperature", True),
    ("temperature", 10**400),
    ("temperature", np.ones(2)),
    ("top_k", np.bool_(True)),
    ("top_k", "5"),
    ("seed", 2**64),
    ("seed", 1.0),
]


@pytest.mark.parametrize(("field", "value"), WRONG, ids=lambda value: str(value)[:20])
def test_what_is_out_of_range_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{field}(\[\d+\])?: "):
        SamplingParams(**{field: value})


def test_limits_are_told_in_full() -> None:
    with pytest.raises(ValueError, match=r"^top_k: must be from -1 to 2147483647, not 2147483648$"):
        SamplingParams(top_k=2**31)
    with pytest.raises(ValueError, match=r"^seed: must be from -9223372036854775808 to 18446744073709551615, not"):
        SamplingParams(seed=2**64)
    assert SamplingParams(temperature=float(np.finfo(np.float32).max)).temperature > 3.4e38


def test_numbers_of_numpy_and_jax_are_numbers() -> None:
    given: dict[str, Any] = {
        "temperature": np.float32(0.5),
        "top_k": np.int64(3),
        "top_p": jnp.float32(0.5),
        "logit_bias": {np.int32(3): np.float64(1)},
        "allowed_ids": np.array([1, 2, 3]),
        "seed": np.uint64(2**64 - 1),
    }
    params = SamplingParams(**given)
    assert params == SamplingParams(0.5, 3, 0.5, logit_bias={3: 1.0}, allowed_ids=(1, 2, 3), seed=2**64 - 1)
    assert hash(params) == hash(SamplingParams(0.5, 3, 0.5, allowed_ids=(1, 2, 3), seed=2**64 - 1))
    assert SamplingParams(allowed_ids={4, 5}).allowed_ids == (4, 5)  # type: ignore[arg-type]


def test_what_was_given_may_change_afterwards() -> None:
    bias, allowed = {1: 5.0}, [1, 2]
    params = SamplingParams(logit_bias=bias, allowed_ids=allowed)
    bias[1] = 1e9
    allowed.append(300)
    assert params == SamplingParams(logit_bias={1: 5.0}, allowed_ids=[1, 2])


def test_ids_that_do_not_exist_are_refused_by_name() -> None:
    """sglang#7670: a bias for id V."""
    for params, name in (
        (SamplingParams(logit_bias={300: 1.0}), "logit_bias"),
        (SamplingParams(allowed_ids=[300]), "allowed_ids"),
    ):
        with pytest.raises(ValueError, match=f"^{name}: "):
            kept_tokens(LOGITS[0], params)


ONE = SamplingParams(seed=1)
WRONG_CALLS: list[tuple[str, dict[str, Any]]] = [
    (r"^positions: 1 entries for 4 rows of logits$", {"positions": [0]}),
    (r"^positions: needs a list of whole numbers from 0 to 2147483647, not 0$", {"positions": 0}),
    *(
        (r"^positions: ", {"positions": [wrong] * 4})
        for wrong in (2.9, "1", True, -1, None, 2**31, 2**40, 2**80, [1], math.nan)
    ),
    (r"^positions: must be from 0 to 2147483647, not 4294967301$", {"positions": np.array([1, 2**32 + 5, 1, 1])}),
    (r"^params: 1 entries for 4 rows of logits$", {"params": [ONE]}),
    (r"^params: needs a list of SamplingParams, one a row of logits, not ", {"params": ONE}),
    (r"^params: needs a list of SamplingParams", {"params": [{}] * 4}),
    (r"^vocab_size: must be from 1 to 300, not 301$", {"vocab_size": 301}),
    (r"^vocab_size: ", {"vocab_size": 2.5}),
    (r"^vocab_size: ", {"vocab_size": True}),
    (r"^logits: needs bfloat16, float16 or float32, not int64: ", {"logits": [[1, 2]] * 4}),
    (r"^logits: needs an array \[B, V\] of floats, not \[\[1.0\]", {"logits": [[1.0], [1.0, 2.0]]}),
    (r"^logits: ", {"logits": "abc"}),
    (r"^logits: ", {"logits": None}),
    (r"^logits: needs the shape \[B, V\] with at least one token, not \[4, 0\]$", {"logits": np.zeros((4, 0))}),
    (r"^logits: needs the shape \[B, V\] with at least one token, not \[300\]$", {"logits": LOGITS[0]}),
    (r"^prompt_ids\[1\]: must be from 0 to 299, not 300$", {"prompt_ids": [[1], [300], [], []]}),
    (r"^output_ids\[0\]: must be from 0 to 299, not -1$", {"output_ids": [[-1], [1], [], []]}),
    (r"^output_ids\[0\]: needs a list of whole numbers from 0 to 299, not \[0.5\]$", {"output_ids": [[0.5]] * 4}),
    (r"^prompt_ids: 2 entries for 4 rows", {"prompt_ids": [[1], [2]]}),
    (r"^prompt_ids\[0\]: needs a list of whole numbers", {"prompt_ids": [1, 2, 3, 4]}),
    (r"^prompt_ids\[0\]: ", {"prompt_ids": [["a"]] * 4}),
    (r"^prompt_ids: ", {"prompt_ids": 5}),
    (r"^prompt_ids\[0\]: ", {"prompt_ids": "abcd"}),
]


@pytest.mark.parametrize(("problem", "wrong"), WRONG_CALLS, ids=lambda value: str(value)[:40])
def test_wrong_calls_are_refused_by_name(problem: str, wrong: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"logits": LOGITS, "params": [ONE] * 4, "positions": [0] * 4} | wrong
    with pytest.raises(ValueError, match=problem):
        sample(**asked)


def test_wrong_looks_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^prompt_ids: must be from 0 to 299, not 300$"):
        kept_tokens(LOGITS[0], ONE, [300])
    with pytest.raises(ValueError, match=r"^params: needs a list of SamplingParams"):
        kept_tokens(LOGITS[0], None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^logits: kept_tokens looks at their values"):
        jax.jit(lambda row: kept_tokens(row, ONE))(LOGITS[0])


def test_histories_may_be_arrays() -> None:
    penalised = [SamplingParams(seed=1, presence_penalty=1.0)] * 4
    lists = sample(LOGITS, penalised, [0] * 4, prompt_ids=[[1, 2]] * 4)
    for given in (np.array([[1, 2]] * 4), [jnp.array([1, 2])] * 4):
        assert sample(LOGITS, penalised, np.zeros(4, np.int64), prompt_ids=given).ids.tolist() == lists.ids.tolist()


def test_no_rows_are_no_tokens() -> None:
    got = sample(np.zeros((0, 50), np.float32), [], [])
    assert [len(each) for each in got] == [0, 0, 0, 0]


def test_in_a_traced_program_only_logits_may_be_traced() -> None:
    params = [ONE] * 4
    traced = jax.jit(lambda logits: sample(logits, params, [3] * 4).ids)(LOGITS)
    assert traced.tolist() == sample(LOGITS, params, [3] * 4).ids.tolist()
    with pytest.raises(ValueError, match=r"^seed: needed under jax.jit"):
        jax.jit(lambda logits: sample(logits, [SamplingParams()] * 4, [3] * 4).ids)(LOGITS)
    with pytest.raises(ValueError, match=r"^positions: under jax.jit only logits may be traced"):
        jax.jit(lambda places: sample(LOGITS, params, places).ids)(jnp.zeros(4, jnp.int32))
