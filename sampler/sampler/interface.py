"""Sampling a batch, and looking at what would be kept."""

import secrets
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from samplerd import mass, sampling
from samplerd.candidates import View
from samplerd.edit_list import EditList, Wishes, no_edits
from samplerd.edits import Edits
from samplerd.logprobs import processed_logprob
from samplerd.reach import Reach
from samplerd.rows import Rows, Sampled, below_best, seed_words

from sampler.params import SamplingParams

_SMALLEST_CAPACITY = 32


class SampleResult(NamedTuple):
    """What `sample` gives, one entry a row."""

    ids: npt.NDArray[np.int32]
    """The drawn tokens; 0 for invalid rows."""
    logprobs: npt.NDArray[np.float32]
    """Their log-probabilities in nats under the distribution they were drawn from ("processed")."""
    valid: npt.NDArray[np.bool_]
    """False for rows with NaN or +inf, or in which every token is masked."""
    certified: npt.NDArray[np.bool_]
    """Whether candidates were enough; if not, the whole vocabulary was looked at. The token is exact either way."""


def sample(
    logits: Any,
    params: Sequence[SamplingParams],
    positions: Sequence[int],
    vocab_size: int | None = None,
    *,
    prompt_ids: Sequence[Sequence[int]] | None = None,
    output_ids: Sequence[Sequence[int]] | None = None,
) -> SampleResult:
    """Draw one token a row from logits [B, V] of any float type, one `SamplingParams` and one position a row.

    Ids from `vocab_size` (default V) on are padding. The histories are what penalties depend on. The token is a
    function of the row alone: its logits, parameters, seed, position and history. Raises ValueError for wrong shapes.
    """
    array = _float_array(logits, 2)
    vocabulary = _vocabulary(array.shape[1], vocab_size)
    prompts, outputs = prompt_ids or [()] * len(params), output_ids or [()] * len(params)
    for name, given in (("params", params), ("positions", positions), ("prompt_ids", prompts), ("output_ids", outputs)):
        if len(given) != array.shape[0]:
            raise ValueError(f"{name}: {len(given)} entries for {array.shape[0]} rows of logits")
    rows = _rows(params, positions, _edits(params, prompts, outputs, vocabulary))
    with jax.enable_x64(True):
        sampled, logprob = jax.device_get(_sample(array, rows, vocabulary=vocabulary))
    return SampleResult(sampled.token, logprob, sampled.valid, sampled.certified)


def kept_tokens(
    logits: Any,
    params: SamplingParams,
    prompt_ids: Sequence[int] = (),
    output_ids: Sequence[int] = (),
    vocab_size: int | None = None,
) -> list[tuple[int, float]]:
    """The ids one row of logits [V] could give, with their final probabilities, the best first; none if invalid.

    Size and threshold of the kept set are those of the sampler that serves.
    """
    array = _float_array(logits, 1)[None]
    vocabulary = _vocabulary(array.shape[1], vocab_size)
    rows = _rows([params], [0], _edits([params], [prompt_ids], [output_ids], vocabulary))
    with jax.enable_x64(True):
        sampled, row, weights = jax.device_get(_look(array, rows, vocabulary=vocabulary))
    if not sampled.valid[0]:
        return []
    order = np.lexsort((np.arange(vocabulary), -row))[: int(sampled.kept[0])]
    masses = weights[order].astype(object)
    total = sum(masses)
    return [(int(token), int(mine) / total) for token, mine in zip(order, masses, strict=True)]


def _float_array(logits: Any, dimensions: int) -> jax.Array:
    array = jnp.asarray(logits)
    if array.ndim != dimensions or not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(f"logits: needs {dimensions} dimensions of floats, not {array.ndim} of {array.dtype}")
    return array.astype(jnp.float32) if array.dtype == jnp.float64 else array


def _vocabulary(width: int, vocab_size: int | None) -> int:
    vocabulary = width if vocab_size is None else vocab_size
    if not 1 <= vocabulary <= width:
        raise ValueError(f"vocab_size: must be from 1 to the {width} columns of the logits, not {vocabulary}")
    return vocabulary


def _rows(params: Sequence[SamplingParams], positions: Sequence[int], edits: Edits | None) -> Rows:
    seeds = [secrets.randbits(64) if one.seed is None else one.seed % 2**64 for one in params]
    return Rows(
        temperature=np.array([one.temperature for one in params], np.float32),
        top_k=np.array([one.top_k for one in params], np.int32),
        top_p=np.array([one.top_p for one in params], np.float32),
        min_p=np.array([one.min_p for one in params], np.float32),
        seed=np.array([seed_words(seed) for seed in seeds], np.uint32),
        position=np.array(positions, np.int32),
        edits=edits,
    )


def _edits(
    params: Sequence[SamplingParams],
    prompts: Sequence[Sequence[int]],
    outputs: Sequence[Sequence[int]],
    vocabulary: int,
) -> Edits | None:
    """The edits of all rows, None if there are none; room grows by doubling, so that few programs are compiled."""
    wishes = [one.wishes(vocabulary) for one in params]
    if not any(wish.any for wish in wishes):
        return None
    sizes = [_room(*each) for each in zip(wishes, prompts, outputs, strict=True)]
    capacity = max(_SMALLEST_CAPACITY, 1 << (max(sizes) - 1).bit_length())
    edits = no_edits(len(params), capacity=capacity, vocabulary=vocabulary)
    for row, (wish, prompt, output) in enumerate(zip(wishes, prompts, outputs, strict=True)):
        edit_list = EditList(wish, _known(prompt, vocabulary), capacity=capacity, vocabulary=vocabulary)
        for token in _known(output, vocabulary):
            edit_list.push(token)
        edit_list.write(edits, row)
    return edits


def _room(wishes: Wishes, prompt: Sequence[int], output: Sequence[int]) -> int:
    return 1 + len(wishes.logit_bias) + (len({*prompt, *output}) if wishes.penalties else 0)


def _known(ids: Sequence[int], vocabulary: int) -> Sequence[int]:
    if any(not 0 <= token < vocabulary for token in ids):
        raise ValueError(f"prompt_ids, output_ids: ids are from 0 to {vocabulary - 1}")
    return ids


def _views(logits: jax.Array, rows: Rows, vocabulary: int) -> tuple[Sampled, View]:
    raw = View(logits, Reach(logits.shape[1], vocabulary))
    edited = raw if rows.edits is None else sampling.edited(raw, rows.edits)
    return sampling.sample(logits, rows, vocabulary=vocabulary), edited


@partial(jax.jit, static_argnames="vocabulary")
def _sample(logits: jax.Array, rows: Rows, *, vocabulary: int) -> tuple[Sampled, jax.Array]:
    sampled, view = _views(logits, rows, vocabulary)
    return sampled, processed_logprob(view, rows, sampled)


@partial(jax.jit, static_argnames="vocabulary")
def _look(logits: jax.Array, rows: Rows, *, vocabulary: int) -> tuple[Sampled, jax.Array, jax.Array]:
    """The draw, the edited logits [V] and the mass of each token [V] of the first row."""
    sampled, view = _views(logits, rows, vocabulary)
    row = view.clean()[:, :vocabulary]
    weights = mass.weights(below_best(row, jnp.max(row, axis=1), rows.temperature))
    return sampled, row[0], weights[0]
