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

from sampler import checks
from sampler.checks import Ids
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
    positions: Ids,
    vocab_size: int | None = None,
    *,
    prompt_ids: Sequence[Ids] | Ids | None = None,
    output_ids: Sequence[Ids] | Ids | None = None,
) -> SampleResult:
    """Draw one token a row from logits [B, V] of any float type, one `SamplingParams` and one position a row.

    Ids from `vocab_size` (default V) on are padding. The histories are what penalties depend on. The token is a
    function of the row alone: its logits, parameters, seed, position and history. Raises ValueError, with the name of
    what is wrong first. Under `jax.jit` or `jax.vmap` logits may be traced, nothing else, and seeds must be given.
    """
    array = checks.floats(logits, "B, V")
    count = array.shape[0]
    vocabulary = _vocabulary(array.shape[1], vocab_size)
    checks.all_of("params", SamplingParams, params, count)
    places = checks.whole_numbers("positions", positions, checks.LARGEST_ID)
    checks.count("positions", len(places), count)
    prompts = checks.histories("prompt_ids", prompt_ids, count, vocabulary)
    outputs = checks.histories("output_ids", output_ids, count, vocabulary)
    if isinstance(array, jax.core.Tracer) and any(one.seed is None for one in params):
        raise ValueError(
            "seed: needed under jax.jit and jax.vmap, where a random one is drawn once and then used again"
        )
    if not count:
        none = np.zeros(0, np.bool_)
        return SampleResult(np.zeros(0, np.int32), np.zeros(0, np.float32), none, none)
    rows = _rows(params, places, _edits(params, prompts, outputs, vocabulary))
    with jax.enable_x64(True):
        sampled, logprob = jax.device_get(_sample(array, rows, vocabulary=vocabulary))
    return SampleResult(sampled.token, logprob, sampled.valid, sampled.certified)


def kept_tokens(
    logits: Any,
    params: SamplingParams,
    prompt_ids: Ids = (),
    output_ids: Ids = (),
    vocab_size: int | None = None,
) -> list[tuple[int, float]]:
    """The ids one row of logits [V] could give, with their final probabilities, the best first; none if invalid.

    Size and threshold of the kept set are those of the sampler that serves. Raises ValueError as `sample` does.
    """
    array = checks.floats(logits, "V")[None]
    if isinstance(array, jax.core.Tracer):
        raise ValueError("logits: kept_tokens looks at their values: not under jax.jit and the like")
    vocabulary = _vocabulary(array.shape[1], vocab_size)
    checks.all_of("params", SamplingParams, [params], 1)
    prompt = checks.whole_numbers("prompt_ids", prompt_ids, vocabulary - 1)
    output = checks.whole_numbers("output_ids", output_ids, vocabulary - 1)
    rows = _rows([params], [0], _edits([params], [prompt], [output], vocabulary))
    with jax.enable_x64(True):
        sampled, row, weights = jax.device_get(_look(array, rows, vocabulary=vocabulary))
    if not sampled.valid[0]:
        return []
    order = np.lexsort((np.arange(vocabulary), -row))[: int(sampled.kept[0])]
    masses = weights[order].astype(object)
    total = sum(masses)
    return [(int(token), int(mine) / total) for token, mine in zip(order, masses, strict=True)]


def _vocabulary(width: int, vocab_size: int | None) -> int:
    return width if vocab_size is None else checks.whole("vocab_size", vocab_size, 1, width)


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
        edit_list = EditList(wish, prompt, capacity=capacity, vocabulary=vocabulary)
        for token in output:
            edit_list.push(token)
        edit_list.write(edits, row)
    return edits


def _room(wishes: Wishes, prompt: Sequence[int], output: Sequence[int]) -> int:
    return 1 + len(wishes.logit_bias) + (len({*prompt, *output}) if wishes.penalties else 0)


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
