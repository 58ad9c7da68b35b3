"""Changes to single logits before anything else looks at them: allowed ids, bias, penalties (docs/sampling.md).

They are few beside the vocabulary, so each row carries a list of the tokens it touches, padded to one length: another
request, another token or another penalty never needs another program.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from samplerd.floats import flushed
from samplerd.reach import Reach


class Edits(NamedTuple):
    """What is done to each row's logits. Ids in a row's list are distinct; unused places hold an id >= V."""

    ids: jax.Array  # int32 [B, E]: the tokens touched by bias or penalties
    bias: jax.Array  # float32 [B, E]: is added
    seen: jax.Array  # bool [B, E]: the token stands in the prompt or the output: the repetition penalty applies
    subtract: jax.Array  # float32 [B, E]: presence + frequency x count, worked out on the host, is subtracted
    repetition: jax.Array  # float32 [B]; off: 1
    allowed: jax.Array  # uint32 [B, words]: bit i % 32 of word i / 32 allows token i
    restricted: jax.Array  # bool [B]: `allowed` applies
    active: jax.Array  # bool [B]: the row has any edit at all


def apply(logits: jax.Array, edits: Edits, reach: Reach) -> jax.Array:
    """Edit clean float32 logits [B, W]."""
    return _change(_restrict(logits, edits, reach), edits, reach)


def _restrict(logits: jax.Array, edits: Edits, reach: Reach) -> jax.Array:
    ids = reach.ids()[0]
    words = jnp.take(edits.allowed, ids >> 5, axis=1, mode="fill", fill_value=0)
    allowed = (words >> (ids & 31).astype(jnp.uint32)[None, :]) & jnp.uint32(1) == 1
    return jnp.where(allowed | ~edits.restricted[:, None], logits, -jnp.inf)


def _change(logits: jax.Array, edits: Edits, reach: Reach) -> jax.Array:
    """Bias, then repetition, then the subtraction.

    `flushed` stands between a product and the difference after it: what is selected from cannot be contracted into a
    fused multiply-add, which would round once instead of twice.
    """
    local = edits.ids - reach.offset()
    # A negative index would count from the end; one past the end is dropped.
    local = jnp.where((local >= 0) & (edits.ids < reach.vocabulary), local, reach.width)
    before = jnp.take_along_axis(logits, jnp.minimum(local, reach.width - 1), axis=1)
    after = flushed(before + edits.bias)
    penalty = jnp.where(edits.seen, edits.repetition[:, None], jnp.float32(1))
    after = flushed(jnp.where(after > 0, after / penalty, after * penalty))
    after = flushed(after - edits.subtract)
    rows = jnp.arange(logits.shape[0])[:, None]
    return logits.at[rows, local].set(after, mode="drop")
