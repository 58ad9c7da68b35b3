"""Compiles the sampler for a shape, in the ways in which one can come: alone, behind a dot, over several devices."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from jax.sharding import AxisType

from samplerd import sampling
from samplerd.head_model import head_model
from samplerd.model import Model
from samplerd.preflight.material import Asked, Floats, logits_of, rows_of
from samplerd.preflight.results import Shape
from samplerd.program import ProgramFor, TensorProgram, on_host, serving_step
from samplerd.rows import Rows, Sampled
from samplerd.sharded import sharded_sampler

HIDDEN = 64
"""Columns of the hidden states behind which a head stands."""

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
            return logits[:, : shape.vocabulary].astype(np.float32), compiled(logits, rows_of(asked))

        return run

    def alone(self, shape: Shape) -> Callable[[npt.NDArray[Any], Rows], Sampled]:
        """Compile the sampler of logits [B, W] in the shape's type."""
        inner = self.sampler(shape)

        def sample(
            logits: jax.Array, rows: Rows
        ) -> Sampled:  # a new one each time: JAX knows functions it has compiled
            return inner(logits, rows)

        logits = jax.ShapeDtypeStruct((shape.batch, shape.width), shape.dtype)
        compiled = jax.jit(sample).lower(logits, rows_of([Asked()] * shape.batch)).compile()
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
        generator = np.random.default_rng([shape.batch, shape.vocabulary])
        hidden = generator.standard_normal((shape.batch, HIDDEN), np.float32)
        matrix = generator.standard_normal((HIDDEN, shape.vocabulary), np.float32) * np.float32(0.4)
        model = head_model(self._model, hidden, matrix, shape.dtype)
        tokens = np.arange(shape.batch, dtype=np.int32)
        step = jax.jit(partial(serving_step, model, self._program))
        compiled = step.lower(model.weights, (), tokens, rows_of([Asked()] * shape.batch)).compile()

        def run(_numbers: Sequence[int], asked: Sequence[Asked]) -> tuple[Floats, Sampled]:
            _, logits, sampled = compiled(model.weights, (), tokens, rows_of(asked))
            return np.asarray(logits).astype(np.float32), on_host(sampled)

        return run
