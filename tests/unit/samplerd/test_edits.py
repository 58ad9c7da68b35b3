"""Allowed ids, bias and penalties: the program, its host half and the oracle agree to the last bit."""

from functools import cache
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
import pytest
from samplerd import oracle, sampling
from samplerd.audit import drawn_in
from samplerd.edit_list import EditList, Wishes, no_edits
from samplerd.oracle_changes import Changes
from samplerd.rows import Rows

from tests.unit.samplerd import made

V, ROWS, CAPACITY = 1500, 8, 64
INF = float("inf")


@cache
def compiled() -> Any:
    return jax.jit(sampling.sample)


def batch(wishes: list[Wishes], prompt: list[int], output: list[int], vocabulary: int = V, **asked: Any) -> Rows:
    edits = no_edits(len(wishes), capacity=CAPACITY, vocabulary=vocabulary)
    for row, wish in enumerate(wishes):
        if wish.any:
            edit_list = EditList(wish, prompt, capacity=CAPACITY, vocabulary=vocabulary)
            for token in output:
                edit_list.push(token)
            edit_list.write(edits, row)
    rows = made.rows(len(wishes), **asked)
    return rows._replace(edits=edits)


def request(rows: Rows, row: int, wish: Wishes, prompt: list[int], output: list[int]) -> oracle.Request:
    changes = Changes(
        wish.allowed_ids,
        wish.logit_bias,
        wish.repetition_penalty,
        wish.presence_penalty,
        wish.frequency_penalty,
        tuple(prompt),
        tuple(output),
    )
    plain = made.request(rows, row)
    return oracle.Request(plain.temperature, plain.top_k, plain.top_p, plain.seed, plain.position, plain.min_p, changes)


def wishes_of(rng: np.random.Generator) -> Wishes:
    """Random edits of any mixture; every fourth has none."""
    on = rng.random(4) < 0.6
    bias = {int(token): float(rng.normal() * 5) for token in rng.integers(0, V, 20)}
    return Wishes(
        allowed_ids=tuple(int(token) for token in rng.integers(0, V, 700)) if on[0] else None,
        logit_bias=tuple(bias.items()) if on[1] else (),
        repetition_penalty=float(rng.uniform(0.5, 2)) if on[2] else 1.0,
        presence_penalty=float(rng.uniform(-2, 2)) if on[3] else 0.0,
        frequency_penalty=float(rng.uniform(-2, 2)) if on[3] else 0.0,
    )


@pytest.mark.parametrize("kind", ["normal", "zipf", "ties", "masked", "huge", "signed zeros"])
def test_the_oracle_agrees_on_any_mixture_of_edits(kind: str) -> None:
    rng = np.random.default_rng([*kind.encode()])
    for asked in ({"temperature": 0.8, "top_k": 40}, {"top_p": 0.9}, {"min_p": 0.05}, {"temperature": 0.0}, {}):
        logits = made.logits(rng, ROWS, V, kind)
        prompt, output = (rng.integers(0, V, 12).tolist() for _ in range(2))
        output += output[:4] + prompt[:3]
        wishes = [wishes_of(rng) for _ in range(ROWS)]
        rows = batch(wishes, prompt, output, **asked)
        got = compiled()(logits, rows)
        for row, wish in enumerate(wishes):
            expected = oracle.expect(logits[row], request(rows, row, wish, prompt, output))
            assert oracle.judge(expected, drawn_in(got, row)) is None, (asked, row)


def greedy(row: list[float], wish: Wishes, prompt: list[int], output: list[int]) -> int:
    logits: npt.NDArray[np.float32] = np.array([row], np.float32)
    got = run_small(logits, batch([wish], prompt, output, vocabulary=len(row), temperature=0.0))
    assert bool(got.valid[0])
    return int(got.token[0])


run_small: Any = jax.jit(sampling.sample)


def test_a_repetition_penalty_makes_negative_logits_smaller() -> None:
    """transformers#2302, NeMo#8194: dividing them would raise them."""
    assert greedy([-1.0, -1.5, -9.0], Wishes(repetition_penalty=2.0), [0], []) == 1
    assert greedy([2.0, 1.5, 0.0], Wishes(repetition_penalty=2.0), [], [0]) == 1


def test_a_repetition_penalty_is_applied_once_however_often_a_token_came() -> None:
    """react-native-executorch#1483: the penalty to the power of the count."""
    assert greedy([2.0, 0.9, 0.0], Wishes(repetition_penalty=2.0), [0] * 10, [0] * 10) == 0


def test_presence_and_frequency_count_the_answer_and_not_the_prompt() -> None:
    """TensorRT-LLM#12358: what concerns the answer counted the prompt, too."""
    for wish in (Wishes(presence_penalty=2.0), Wishes(frequency_penalty=2.0)):
        assert greedy([1.0, 0.0, -5.0], wish, [0, 0], []) == 0
        assert greedy([1.0, 0.0, -5.0], wish, [], [0]) == 1
    assert greedy([3.0, 0.0, -5.0], Wishes(presence_penalty=2.0), [], [0, 0]) == 0
    assert greedy([3.0, 0.0, -5.0], Wishes(frequency_penalty=2.0), [], [0, 0]) == 1


def test_bias_lifts_a_token_from_far_below_and_never_unmasks() -> None:
    assert greedy([5.0, -90.0, 0.0], Wishes(logit_bias=((1, 100.0),)), [], []) == 1
    assert greedy([5.0, -INF, 0.0], Wishes(logit_bias=((1, 100.0),)), [], []) == 0


def test_only_allowed_ids_come_out_and_a_nan_elsewhere_is_still_seen() -> None:
    assert greedy([5.0, 1.0, 2.0], Wishes(allowed_ids=(1, 2)), [], []) == 2
    for row, valid in (([np.nan, 1.0, 2.0], False), ([INF, 1.0, 2.0], False), ([3.0, -INF, 2.0], True)):
        rows = batch([Wishes(allowed_ids=(1, 2))], [], [], vocabulary=3)
        got = run_small(np.array([row], np.float32), rows)
        assert bool(got.valid[0]) is valid
    rows = batch([Wishes(allowed_ids=(1,))], [], [], vocabulary=3)
    assert not bool(run_small(np.array([[1.0, -INF, 0.0]], np.float32), rows).valid[0]), "nothing is left"


def test_an_edited_neighbour_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    logits = made.logits(rng, ROWS, V, "normal")
    wishes = [Wishes(presence_penalty=1.0) if row % 2 else Wishes() for row in range(ROWS)]
    mixed = compiled()(logits, batch(wishes, [1, 2], [3], top_p=0.9))
    plain = compiled()(logits, batch([Wishes()] * ROWS, [1, 2], [3], top_p=0.9))
    assert (np.asarray(mixed.token)[::2] == np.asarray(plain.token)[::2]).all()
    assert (np.asarray(mixed.kept)[::2] == np.asarray(plain.kept)[::2]).all()
