"""A decode step whose vocabulary is split over several devices.

Two programs: the model's body on the first device, then over all devices the head and whatever draws from its logits.
Each device makes the logits of its own part of the vocabulary and keeps them, so that what the sampler reads was made
by a dot in the same program, as in the step of one device.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec

from samplerd.model import Model, Pytree
from samplerd.rows import Rows, Sampled
from samplerd.shards import AXIS, vocabulary_mesh

Draw = Callable[[jax.Array, Rows], tuple[jax.Array, Sampled]]
"""From a model's logits [B, V] to the buffer that is returned and audited, and to what was drawn."""
Run = Callable[[Pytree, Pytree, Pytree, Rows], tuple[Pytree, jax.Array, Sampled]]
"""A compiled step: from weights, cache, tokens and rows to the cache, the buffer and what was drawn."""

_BY_COLUMNS = PartitionSpec(None, AXIS)


class SplitStep:
    """Compiles the steps of a model over `shards` devices; holds the head's matrices, each device its part."""

    def __init__(self, model: Model, draw: Draw, shards: int) -> None:
        """Raises TooFewDevicesError."""
        self._model = model
        self._draw = draw
        self._shards = shards
        self._mesh = vocabulary_mesh(shards)
        self._everywhere = NamedSharding(self._mesh, PartitionSpec())
        by_token = NamedSharding(self._mesh, PartitionSpec(*[None] * model.head.token_axis, AXIS))
        self._matrices = jax.device_put(jax.tree.map(self._padded, model.head.matrices(model.weights)), by_token)
        even = model.vocabulary % shards == 0
        # An array cannot be split unevenly: a vocabulary that is no multiple leaves its buffer whole on every device.
        buffer = NamedSharding(self._mesh, _BY_COLUMNS) if even else self._everywhere
        self._body = jax.jit(model.body, donate_argnums=1)
        self._rest = jax.jit(self._head_and_draw, out_shardings=(buffer, self._everywhere))

    def compile(self, cache: Pytree, tokens: Pytree, rows: Rows) -> Run:
        """Compile the step for these shapes."""
        positions = rows.position - 1
        body = self._body.lower(self._model.weights, cache, tokens, positions).compile()
        state, _ = jax.eval_shape(self._model.body, self._model.weights, cache, tokens, positions)
        with jax.set_mesh(self._mesh):
            rest = self._rest.lower(self._matrices, *jax.tree.map(self._shape, (state, rows))).compile()

        def run(weights: Pytree, cache: Pytree, tokens: Pytree, rows: Rows) -> tuple[Pytree, jax.Array, Sampled]:
            state, cache = body(weights, cache, tokens, rows.position - 1)
            buffer, sampled = rest(self._matrices, *jax.device_put((state, rows), self._everywhere))
            return cache, buffer, sampled

        return run

    def _head_and_draw(self, matrices: Pytree, state: Pytree, rows: Rows) -> tuple[jax.Array, Sampled]:
        logits = lax.with_sharding_constraint(self._model.head.logits(matrices, state), _BY_COLUMNS)
        return self._draw(logits[:, : self._model.vocabulary], rows)

    def _padded(self, matrix: jax.Array) -> jax.Array:
        """With as many tokens as fill all parts evenly; those that do not exist are cut off before they are read."""
        axis = self._model.head.token_axis
        pads = [(0, 0)] * matrix.ndim
        pads[axis] = (0, -matrix.shape[axis] % self._shards)
        return jnp.pad(matrix, pads)

    def _shape(self, array: jax.Array) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=self._everywhere)
