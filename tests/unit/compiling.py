"""Compiling is what the sampler's tests cost: what one test compiled, another takes, also of a later run.

The cache is keyed by the program, the compiler and the processor, so that it never hides a change.
"""

from functools import cache

import jax
from samplerd.jax_setup import configure_jax

from local import settings

DEVICES = 8
"""Emulated ones, over which a vocabulary can be split; whoever asks for none uses the first."""
MOST_BYTES = 1 << 30
"""The least recently used program goes first."""


@cache
def compiled_once() -> None:
    """Set JAX up, with a compile cache outside the tree that all workers share."""
    configure_jax(compile_cache=settings.load().cache / "compiled-by-tests", devices=DEVICES)
    jax.config.update("jax_compilation_cache_max_size", MOST_BYTES)
