"""The tensor program: what runs on the device, compiled once per shape before the server is ready.

One step is one executable: decode, a barrier around the logits, sampling. (With the vocabulary split over devices the
model's body is one before it: `split_step`.) It always returns the logits buffer, so an audited step and an unaudited
one are the same program. Watching must not change what is watched.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np
import numpy.typing as npt
from jax import lax

from samplerd import sampling
from samplerd.edit_list import MOST_BIASED, no_edits
from samplerd.model import Model, Pytree
from samplerd.rows import Logprobs, Rows, Sampled
from samplerd.split_step import Run, SplitStep


def _as_they_are(logits: jax.Array) -> jax.Array:
    return logits


def behind_a_barrier(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The buffer that is returned, and what is sampled: one and the same.

    Without the barrier a compiler may keep more digits of the logits for one of their readers than for another, and two
    operations then disagree on the best token.
    """
    logits = lax.optimization_barrier(logits)
    return logits, logits


@dataclass(frozen=True)
class TensorProgram:
    """The parts of the program between the model and the token: production's, where a build does not pass its own."""

    adjust_logits: Callable[[jax.Array], jax.Array] = _as_they_are
    """Applied to the model's logits [B, V], upstream of the buffer that is returned and audited."""
    sample: Callable[[jax.Array, Rows], Sampled] = sampling.sample
    hand_over: Callable[[jax.Array], tuple[jax.Array, jax.Array]] = behind_a_barrier
    """From the adjusted logits to the buffer that is returned and audited, and to what `sample` gets."""


ProgramFor = Callable[[Model], TensorProgram]


def production_program(_model: Model) -> TensorProgram:
    """The program that this server is meant to run: the model's logits as they are, sampled exactly."""
    return TensorProgram()


@dataclass(frozen=True)
class Step:
    """What one decode step gave, on the host: [B] each, and the logits [B, V] they were drawn from."""

    token: npt.NDArray[np.int32]
    valid: npt.NDArray[np.bool_]
    best: npt.NDArray[np.int32]
    kept: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    certified: npt.NDArray[np.bool_]
    logits: npt.NDArray[np.float32]
    logprobs: Logprobs | None = None


class Executables:
    """The compiled program, its weights and its cache. Not thread-safe: the engine's thread alone calls it."""

    def __init__(
        self,
        model: Model,
        program: TensorProgram,
        batch_sizes: Sequence[int],
        chunk_sizes: Sequence[int],
        vocab_shards: int = 1,
    ) -> None:
        """`vocab_shards`: over how many devices the vocabulary is split. Raises TooFewDevicesError."""
        self.model = model
        self.batch_sizes = sorted(batch_sizes)
        self.chunk_sizes = sorted({min(size, model.context) for size in chunk_sizes})
        self._cache = model.empty_cache(self.batch_sizes[-1])
        self._steps = self._compile_steps(program, vocab_shards)
        prefill = jax.jit(model.prefill, donate_argnums=1)
        self._prefills = {size: self._compile_prefill(prefill, size) for size in self.chunk_sizes}
        zero = np.int32(0)
        self._copy: Callable[..., Pytree] = (
            jax.jit(_copy_slot, donate_argnums=0).lower(self._cache, zero, zero).compile()
        )
        self._forget: Callable[..., Pytree] = jax.jit(_zero_slot, donate_argnums=0).lower(self._cache, zero).compile()

    def _compile_steps(self, program: TensorProgram, vocab_shards: int) -> dict[int, Run]:
        if vocab_shards > 1:
            split = SplitStep(self.model, partial(drawn, program), vocab_shards)
            return {
                size: split.compile(self._cache, np.zeros(size, np.int32), idle_rows(size, self.model))
                for size in self.batch_sizes
            }
        step = jax.jit(partial(serving_step, self.model, program), donate_argnums=1)
        return {size: self._compile_step(step, size) for size in self.batch_sizes}

    def _compile_step(self, step: Pytree, size: int) -> Run:
        tokens = np.zeros(size, np.int32)
        compiled: Run = step.lower(self.model.weights, self._cache, tokens, idle_rows(size, self.model)).compile()
        return compiled

    def _compile_prefill(self, prefill: Pytree, size: int) -> Callable[..., Pytree]:
        tokens, zero = np.zeros(size, np.int32), np.int32(0)
        compiled: Callable[..., Pytree] = prefill.lower(self.model.weights, self._cache, tokens, zero, zero).compile()
        return compiled

    def prefill(self, tokens: npt.NDArray[np.int32], start: int, slot: int) -> None:
        """Read a chunk of a prompt, whose length must be one of the chunk sizes, into a slot of the cache."""
        run = self._prefills[len(tokens)]
        self._cache = run(self.model.weights, self._cache, tokens, np.int32(start), np.int32(slot))

    def step(self, tokens: npt.NDArray[np.int32], rows: Rows) -> Step:
        """Read one token a row and draw the next; the number of rows must be one of the batch sizes."""
        run = self._steps[len(tokens)]
        self._cache, logits, sampled = run(self.model.weights, self._cache, tokens, rows)
        return Step(**on_host(sampled)._asdict(), logits=np.asarray(logits, np.float32))

    def copy_slot(self, source: int, target: int) -> None:
        """Give a slot of the cache all that another one has read."""
        self._cache = self._copy(self._cache, np.int32(source), np.int32(target))

    def forget(self, slot: int) -> None:
        """Zero a slot, so that a NaN in it cannot reach the next sequence there (masked positions count 0 x NaN)."""
        self._cache = self._forget(self._cache, np.int32(slot))


def on_host(sampled: Sampled) -> Sampled:
    """What a step gave, as NumPy arrays."""
    host: Sampled = jax.tree.map(np.asarray, sampled)
    return host


def _copy_slot(cache: Pytree, source: jax.Array, target: jax.Array) -> Pytree:
    def copied(array: jax.Array) -> jax.Array:
        one = lax.dynamic_slice_in_dim(array, source, 1)
        return lax.dynamic_update_slice_in_dim(array, one, target, 0)

    return jax.tree.map(copied, cache)


def _zero_slot(cache: Pytree, slot: jax.Array) -> Pytree:
    return jax.tree.map(lambda array: array.at[slot].set(0), cache)


def serving_step(
    model: Model, program: TensorProgram, weights: Pytree, cache: Pytree, tokens: jax.Array, rows: Rows
) -> tuple[Pytree, jax.Array, Sampled]:
    """The step that is compiled: read tokens [B], give the cache, the logits [B, V] and what was drawn from them."""
    logits, cache = model.decode(weights, cache, tokens, rows.position - 1)
    return cache, *drawn(program, logits, rows)


def drawn(program: TensorProgram, logits: jax.Array, rows: Rows) -> tuple[jax.Array, Sampled]:
    """From the model's logits [B, V] to the buffer that is returned and audited, and to what was drawn."""
    buffer, sampled_from = program.hand_over(program.adjust_logits(logits))
    return buffer, program.sample(sampled_from, rows)


def edit_capacity(model: Model) -> int:
    """How many tokens of one row can be edited: all that fit into the context may be seen, and others biased."""
    return model.context + MOST_BIASED


def idle_rows(size: int, model: Model) -> Rows:
    """Rows for slots that have nothing to say.

    Their position is the context's last one: what an idle row writes there is overwritten before anything reads it.
    """
    return Rows(
        temperature=np.zeros(size, np.float32),
        top_k=np.zeros(size, np.int32),
        top_p=np.ones(size, np.float32),
        min_p=np.zeros(size, np.float32),
        seed=np.zeros((size, 2), np.uint32),
        position=np.full(size, model.context, np.int32),
        edits=no_edits(size, capacity=edit_capacity(model), vocabulary=model.vocabulary),
        logprobs=np.zeros(size, np.bool_),
    )
