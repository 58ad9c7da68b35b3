"""The mesh over which a vocabulary is split, and how one part's sampler becomes that of all.

What crosses devices is a few candidates a row, integer sums and maxima. XLA's own partitioning is not relied on: it
gathers all logits for a top-k, or gets it wrong (jax#19271).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, PartitionSpec

from samplerd.reach import Reach
from samplerd.rows import Rows, Sampled

AXIS = "vocabulary_shards"
"""The mesh axis over which a server splits its vocabulary."""

Part = Callable[[jax.Array, Rows, Reach], Sampled]
"""The sampler of one part: its logits, what is asked, and where it stands among the parts."""


class TooFewDevicesError(RuntimeError):
    """The vocabulary is to be split over more devices than there are."""


def vocabulary_mesh(shards: int) -> Mesh:
    """A mesh of the first devices. Raises TooFewDevicesError."""
    devices = jax.devices()
    if len(devices) < shards:
        kind = devices[0].platform
        raise TooFewDevicesError(
            f"vocab_shards: {shards} devices are needed and {len(devices)} ({kind}) are here: lower it, or give the "
            "server more devices"
        )
    return jax.make_mesh((shards,), (AXIS,), devices=devices[:shards], axis_types=(AxisType.Auto,))


def shards_here() -> int:
    """Over how many parts the program that is being traced splits the vocabulary; 1 where no mesh is set.

    Inside `over_mesh` there is one again: the axis is manual there.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if AXIS not in mesh.axis_names or mesh.axis_types[mesh.axis_names.index(AXIS)] is not AxisType.Auto:
        return 1
    return int(mesh.shape[AXIS])


def over_mesh(
    part: Part, logits: jax.Array, rows: Rows, *, vocabulary: int, mesh: Mesh | None = None, axis: str = AXIS
) -> Sampled:
    """Sample logits [B, W] split by columns over one axis of the mesh (None: the one that is set).

    Rows and results are on every device. W need not be a multiple of the axis' size, and ids from `vocabulary` on are
    padding, so that uneven parts work. The best is an array that is already split and padded evenly: others are padded
    here, which copies them. A mesh with explicit axes takes only arrays that are already split.
    """
    parts = (mesh or jax.sharding.get_abstract_mesh()).shape[axis]
    width = -(-logits.shape[1] // parts)
    short = width * parts - logits.shape[1]
    if short:
        logits = jnp.pad(logits, ((0, 0), (0, short)))
    run: Callable[[jax.Array, Rows], Sampled] = jax.shard_map(
        lambda own, rows: part(own, rows, Reach(width, vocabulary, axis)),
        mesh=mesh,
        in_specs=(PartitionSpec(None, axis), PartitionSpec()),
        out_specs=PartitionSpec(),
        check_vma=False,  # all parts work out the same answer from merged values; JAX cannot prove it
    )
    return run(logits, rows)
