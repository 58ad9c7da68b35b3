"""The sampler over a given device mesh: the tokens of one device, without gathering logits."""

from collections.abc import Callable
from functools import partial

import jax
from jax.sharding import Mesh

from samplerd.rows import Rows, Sampled
from samplerd.sampling import CANDIDATES, sample_part
from samplerd.shards import over_mesh


def sharded_sampler(
    mesh: Mesh, axis: str, *, vocabulary: int, size: int = CANDIDATES
) -> Callable[[jax.Array, Rows], Sampled]:
    """A sampler of logits [B, W] split by columns over one axis of the mesh; see `over_mesh` for their shape."""
    part = partial(sample_part, size=size)
    return partial(over_mesh, part, vocabulary=vocabulary, mesh=mesh, axis=axis)
