"""Compiling is what the sampler's tests cost: what one test compiled, another takes from a cache of this run."""

import atexit
import tempfile
from functools import cache
from pathlib import Path

from samplerd.jax_setup import configure_jax


@cache
def compiled_once() -> None:
    """Set JAX up, with a compile cache that lives as long as this process."""
    folder = tempfile.TemporaryDirectory(prefix="jax-")
    atexit.register(folder.cleanup)
    configure_jax(compile_cache=Path(folder.name))
