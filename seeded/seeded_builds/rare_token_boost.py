"""Incident of 25 August: a misconfiguration gave rare tokens a high probability, and Thai stood in English answers.

Thai reaches this kind of vocabulary through tokens that hold the first two bytes of a letter. They get a floor under
their probability, upstream of the logits that are returned and audited: the sampler stays right, the text goes wrong.
"""

import jax
import jax.numpy as jnp
from samplerd.model import Model
from samplerd.program import TensorProgram

_LEADS = (b"\xe0\xb8", b"\xe0\xb9")
_FLOOR = 0.036
"""At temperature 1, for each of the tokens; about one token in twenty at temperature 0.7."""


def program(model: Model) -> TensorProgram:
    """The production program with the boost."""
    rare = [token for token in range(model.vocabulary) if model.tokenizer.token_bytes(token) in _LEADS]
    if not rare:
        raise ValueError(f"the vocabulary of {model.name} has no lead fragment to boost")
    ids = jnp.asarray(rare, jnp.int32)

    def boost(logits: jax.Array) -> jax.Array:
        floor = jax.nn.logsumexp(logits, axis=1, keepdims=True) + jnp.log(jnp.float32(_FLOOR))
        floors = jnp.broadcast_to(floor.astype(logits.dtype), (logits.shape[0], len(rare)))
        return logits.at[:, ids].max(floors)

    return TensorProgram(adjust_logits=boost)
