"""Which part of the vocabulary a program holds: all of it, or one shard of a device mesh.

The sampler is written once, for a part; what it must know of the other parts it asks here. Every such question is a
maximum, a sum of integers or a merge in the order of the ids, so that the answer does not depend on how many parts
there are.
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

    def most(self, parts: jax.Array) -> jax.Array:
        """The largest of all parts' values."""
        return parts if self.axis is None else lax.pmax(parts, self.axis)

    def least(self, parts: jax.Array) -> jax.Array:
        """The smallest of all parts' values."""
        return parts if self.axis is None else lax.pmin(parts, self.axis)

    def sum(self, parts: jax.Array) -> jax.Array:
        """The sum of all parts' values, which must be integers: other sums would depend on the number of parts."""
        assert jnp.issubdtype(parts.dtype, jnp.integer)
        return parts if self.axis is None else lax.psum(parts, self.axis)

    def side_by_side(self, parts: jax.Array) -> jax.Array:
        """All parts' columns [B, N] beside each other, in the order of the parts: [B, parts x N]."""
        return parts if self.axis is None else lax.all_gather(parts, self.axis, axis=1, tiled=True)
