"""Which part of the vocabulary a program holds: all of it, or one shard of a device mesh.

The sampler is written once, for a part; what it must know of the other parts it asks here. Every such question is a
maximum, a sum of integers or a merge in the order of the ids, so that the answer does not depend on how many parts
there are.

The questions of one program must depend on each other, in one row: XLA's runtime on CPUs works on those that do not at
the same time, and takes the numbers of one for those of the other, as JAX gives all of them one channel. Where nothing
else makes one depend on the one before, `after` does.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax


@dataclass(frozen=True)
class Reach:
    """`width` columns of logits, of which those whose id is below `vocabulary` are real tokens.

    With an `axis`, the code runs inside `shard_map` over that mesh axis, and this is one of its equal parts; the parts
    lie in the order of the axis' index. The last ones may be padding in part or whole.
    """

    width: int
    vocabulary: int
    axis: str | None = None

    @property
    def padded(self) -> bool:
        """Whether some columns may be no tokens."""
        return self.axis is not None or self.vocabulary < self.width

    def offset(self) -> jax.Array:
        """The id of the first column, int32."""
        if self.axis is None:
            return jnp.int32(0)
        return lax.axis_index(self.axis).astype(jnp.int32) * jnp.int32(self.width)

    def ids(self) -> jax.Array:
        """The ids of the columns, int32 [1, width]."""
        return self.offset() + jnp.arange(self.width, dtype=jnp.int32)[None, :]

    def most(self, parts: jax.Array, after: jax.Array | None = None) -> jax.Array:
        """The largest of all parts' values [B]; asked after the answer `after` [B]."""
        return parts if self.axis is None else lax.pmax(_once_known(parts, after), self.axis)

    def least(self, parts: jax.Array, after: jax.Array | None = None) -> jax.Array:
        """The smallest of all parts' values [B]; asked after the answer `after` [B]."""
        return parts if self.axis is None else lax.pmin(_once_known(parts, after), self.axis)

    def sum(self, parts: jax.Array, after: jax.Array | None = None) -> jax.Array:
        """The sum of all parts' values [B]; asked after the answer `after` [B].

        They must be integers: other sums would depend on the number of parts.
        """
        assert jnp.issubdtype(parts.dtype, jnp.integer)
        return parts if self.axis is None else lax.psum(_once_known(parts, after), self.axis)

    def side_by_side(self, parts: jax.Array, after: jax.Array | None = None) -> jax.Array:
        """All parts' columns [B, N] beside each other, in the order of the parts: [B, parts x N]; after `after` [B]."""
        if self.axis is None:
            return parts
        known = None if after is None else after[:, None]
        return lax.all_gather(_once_known(parts, known), self.axis, axis=1, tiled=True)


def _once_known(parts: jax.Array, before: jax.Array | None) -> jax.Array:
    """The parts, as a function of whole numbers that no compiler can leave out: of the lowest there is, 0.

    No answer is that number. (A barrier does not do: the compiler takes it away before it looks who waits for whom.)
    """
    if before is None:
        return parts
    assert jnp.issubdtype(before.dtype, jnp.signedinteger)
    return jnp.where(before == jnp.iinfo(before.dtype).min, jnp.zeros((), parts.dtype), parts)
