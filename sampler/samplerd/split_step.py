"""A decode step whose vocabulary is split over several devices.

Two programs: the model's body on the first device, then over all devices the head and whatever draws from its logits.
Each device makes the logits of its own part of the vocabulary and keeps them, so that what the sampler reads was made
by a dot in the same program, as in the step of one device.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export, lax
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

from samplerd.model import Model, Pytree
from samplerd.rows import Rows, Sampled
from samplerd.shards import AXIS, vocabulary_mesh

Draw = Callable[[jax.Array, Rows], tuple[jax.Array, Sampled]]
"""From a model's logits [B, V] to the buffer that is returned and audited, and to what was drawn."""
Run = Callable[[Pytree, Pytree, Pytree, Rows], tuple[Pytree, jax.Array, Sampled]]
"""A compiled step: from weights, cache, tokens and rows to the cache, the buffer and what was drawn."""

_BY_COLUMNS = PartitionSpec(None, AXIS)
_EVERYWHERE = PartitionSpec()


class SplitStep:
    """Compiles the steps of a model over `shards` devices; holds the head's matrices, each device its part."""

    def __init__(self, model: Model, draw: Draw, shards: int) -> None:
        """Raises TooFewDevicesError."""
        self._model = model
        self._mesh = vocabulary_mesh(shards)
        self._everywhere = NamedSharding(self._mesh, _EVERYWHERE)
        matrices = padded_matrices(model, model.weights, shards)
        self._matrices = jax.device_put(matrices, _by_token(model, self._mesh))
        self._body = jax.jit(model.body, donate_argnums=1)
        self._rest = _rest(model, draw, self._mesh)

    def compile(self, cache: Pytree, tokens: Pytree, rows: Rows) -> Run:
        """Compile the step for these shapes."""
        positions = rows.position - 1
        body = self._body.lower(self._model.weights, cache, tokens, positions).compile()
        state, _ = jax.eval_shape(self._model.body, self._model.weights, cache, tokens, positions)
        with jax.set_mesh(self._mesh):
            rest = self._rest.lower(self._matrices, *_shapes((state, rows), self._everywhere)).compile()

        def run(weights: Pytree, cache: Pytree, tokens: Pytree, rows: Rows) -> tuple[Pytree, jax.Array, Sampled]:
            state, cache = body(weights, cache, tokens, rows.position - 1)
            buffer, sampled = rest(self._matrices, *jax.device_put((state, rows), self._everywhere))
            return cache, buffer, sampled

        return run


def export_rest(model: Model, draw: Draw, shards: int, platform: str, rows: Rows) -> export.Exported:
    """Export what follows the body, for a platform and that many of its devices, none of which need be here.

    Raises what JAX raises for what cannot be exported.
    """
    mesh = AbstractMesh((shards,), (AXIS,), axis_types=(AxisType.Auto,))
    cache = jax.eval_shape(partial(model.empty_cache, len(rows.position)))
    tokens = np.zeros(len(rows.position), np.int32)
    state, _ = jax.eval_shape(model.body, model.weights, cache, tokens, rows.position - 1)
    matrices = jax.eval_shape(partial(padded_matrices, model, shards=shards), model.weights)
    arguments = (
        _shapes(matrices, _by_token(model, mesh)),
        *_shapes((state, rows), NamedSharding(mesh, _EVERYWHERE)),
    )
    with jax.sharding.use_abstract_mesh(mesh):
        return export.export(_rest(model, draw, mesh), platforms=[platform])(*arguments)


def padded_matrices(model: Model, weights: Pytree, shards: int) -> Pytree:
    """The head's, with as many tokens as fill all parts evenly; what is no token is cut off before it is read."""

    def padded(matrix: jax.Array) -> jax.Array:
        pads = [(0, 0)] * matrix.ndim
        pads[model.head.token_axis] = (0, -matrix.shape[model.head.token_axis] % shards)
        return jnp.pad(matrix, pads)

    return jax.tree.map(padded, model.head.matrices(weights))


def _rest(model: Model, draw: Draw, mesh: Mesh | AbstractMesh) -> Any:
    """The head and the draw, to be traced where the mesh is set."""

    def head_and_draw(matrices: Pytree, state: Pytree, rows: Rows) -> tuple[jax.Array, Sampled]:
        logits = lax.with_sharding_constraint(model.head.logits(matrices, state), _BY_COLUMNS)
        return draw(logits[:, : model.vocabulary], rows)

    # An array cannot be split unevenly: a vocabulary that is no multiple leaves its buffer whole on every device.
    buffer = _BY_COLUMNS if model.vocabulary % mesh.shape[AXIS] == 0 else _EVERYWHERE
    return jax.jit(head_and_draw, out_shardings=(NamedSharding(mesh, buffer), NamedSharding(mesh, _EVERYWHERE)))


def _by_token(model: Model, mesh: Mesh | AbstractMesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec(*[None] * model.head.token_axis, AXIS))


def _shapes(tree: Pytree, sharding: NamedSharding) -> Pytree:
    return jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=sharding), tree)
