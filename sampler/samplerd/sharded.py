"""The sampler over a vocabulary that is split over a device mesh: the tokens of one device, without gathering logits.

What crosses devices is a few candidates a row, integer sums and maxima. XLA's own partitioning is not relied on: it
gathers all logits for a top-k, or gets it wrong (jax#19271).
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from samplerd.reach import Reach
from samplerd.rows import Rows, Sampled
from samplerd.sampling import TIERS, sample_part


def sharded_sampler(
    mesh: Mesh, axis: str, *, vocabulary: int, tiers: tuple[int, ...] = TIERS
) -> Callable[[jax.Array, Rows], Sampled]:
    """A sampler of logits [B, W] split by columns over one axis of the mesh; rows and results are on every device.

    W need not be a multiple of the axis' size, and ids from `vocabulary` on are padding, so that uneven parts work. The
    best is an array that is already split and padded evenly: others are padded here, which copies them. A mesh with
    explicit axes takes only arrays that are already split.
    """
    parts = mesh.shape[axis]

    def sample(logits: jax.Array, rows: Rows) -> Sampled:
        width = -(-logits.shape[1] // parts)
        short = width * parts - logits.shape[1]
        if short:
            logits = jnp.pad(logits, ((0, 0), (0, short)))
        run: Callable[[jax.Array, Rows], Sampled] = jax.shard_map(
            partial(sample_part, reach=Reach(width, vocabulary, axis), tiers=tiers),
            mesh=mesh,
            in_specs=(PartitionSpec(None, axis), PartitionSpec()),
            out_specs=PartitionSpec(),
            check_vma=False,  # all parts work out the same answer from merged values; JAX cannot prove it
        )
        return run(logits, rows)

    return sample
