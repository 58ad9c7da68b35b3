"""Compiles the sampler for a shape, in the ways in which one can come: alone, behind a dot, over several devices."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax.sharding import AxisType

from samplerd import sampling
from samplerd.edit_list import no_edits
from samplerd.head_model import head_model
from samplerd.model import Model
from samplerd.preflight.behind_a_dot import HIDDEN, hidden_of, matrix_of
from samplerd.preflight.material import Asked, Floats, logits_of, rows_of
from samplerd.preflight.results import Shape
from samplerd.program import ProgramFor, TensorProgram, drawn, on_host, serving_step
from samplerd.rows import Rows, Sampled
from samplerd.sharded import sharded_sampler
from samplerd.split_step import Run as StepRun
from samplerd.split_step import SplitStep

_EDITED_TOKENS = 256
"""Of one row, at most."""

Run = Callable[[Sequence[int], Sequence[Asked]], tuple[Floats, Sampled]]
"""Draw a batch: numbers of logits and parameters, one a row, to the real logits [B, V] and what was drawn."""


class Samplers:
    """Makes samplers of a server's tensor program."""

    def __init__(self, model: Model, program_for: ProgramFor) -> None:
        self._model = model
        self._program: TensorProgram = program_for(model)
        self._last: tuple[Shape, Run] | None = None

    def compiled(self, shape: Shape) -> Run:
        """Compile one, or take the last one again. Raises what the compiler raises."""
        if self._last is None or self._last[0] != shape:
            self._last = shape, self.fresh(shape)
        return self._last[1]

    def fresh(self, shape: Shape) -> Run:
        """Compile one, also if it is the last one again."""
        return self._behind_a_dot(shape) if shape.head else self._alone(shape)

    def _alone(self, shape: Shape) -> Run:
        compiled = self.alone(shape)
        padding = np.full((shape.batch, shape.width - shape.vocabulary), np.nan, np.float32)

        def run(numbers: Sequence[int], asked: Sequence[Asked]) -> tuple[Floats, Sampled]:
            made = np.stack([logits_of(number, shape.vocabulary) for number in numbers])
            logits = np.concatenate([made, padding], axis=1).astype(shape.dtype)
            return logits[:, : shape.vocabulary].astype(np.float32), compiled(logits, _rows(shape, asked))

        return run

    def alone(self, shape: Shape) -> Callable[[npt.NDArray[Any], Rows], Sampled]:
        """Compile the sampler of logits [B, W] in the shape's type."""
        inner = self.sampler(shape)

        def sample(
            logits: jax.Array, rows: Rows
        ) -> Sampled:  # a new one each time: JAX knows functions it has compiled
            return inner(logits, rows)

        logits = jax.ShapeDtypeStruct((shape.batch, shape.width), shape.dtype)
        compiled = jax.jit(sample).lower(logits, _rows(shape, [Asked()] * shape.batch)).compile()
        return lambda logits, rows: on_host(compiled(logits, rows))

    def sampler(self, shape: Shape) -> Callable[[jax.Array, Rows], Sampled]:
        """The sampler for a shape that stands by itself. Padding and devices are known only to the exact sampler."""
        if shape.devices > 1:
            devices = jax.devices()[: shape.devices]
            mesh = jax.make_mesh((len(devices),), ("vocabulary",), devices=devices, axis_types=(AxisType.Auto,))
            return sharded_sampler(mesh, "vocabulary", vocabulary=shape.vocabulary)
        if shape.width != shape.vocabulary:
            return partial(sampling.sample, vocabulary=shape.vocabulary)
        return self._program.sample

    def _behind_a_dot(self, shape: Shape) -> Run:
        """The serving step around a head: the logits it returns are those that it drew from."""
        matrix = matrix_of(shape.vocabulary, shape.dtype)
        model = head_model(self._model, np.zeros((shape.batch, HIDDEN), np.float32), matrix, shape.dtype)
        tokens = np.arange(shape.batch, dtype=np.int32)
        compiled = self._step(shape, model, tokens)

        def run(numbers: Sequence[int], asked: Sequence[Asked]) -> tuple[Floats, Sampled]:
            hidden = np.stack([hidden_of(number, shape.dtype) for number in numbers])
            weights = model.weights._replace(hidden=jnp.asarray(hidden, shape.dtype))
            _, logits, sampled = compiled(weights, (), tokens, _rows(shape, asked))
            return np.asarray(logits).astype(np.float32), on_host(sampled)

        return run

    def _step(self, shape: Shape, model: Model, tokens: npt.NDArray[np.int32]) -> StepRun:
        """The step that would serve: that of one device, or the split one."""
        rows = _rows(shape, [Asked()] * shape.batch)
        if shape.devices > 1:
            return SplitStep(model, partial(drawn, self._program), shape.devices).compile((), tokens, rows)
        step = jax.jit(partial(serving_step, model, self._program))
        compiled: StepRun = step.lower(model.weights, (), tokens, rows).compile()
        return compiled


def _rows(shape: Shape, asked: Sequence[Asked]) -> Rows:
    if not shape.edited:
        return rows_of(asked)
    edits = no_edits(shape.batch, capacity=_EDITED_TOKENS, vocabulary=shape.vocabulary)
    return rows_of(asked, edits, vocabulary=shape.vocabulary)
