"""JAX's process-wide settings. They must be made before the first computation."""

import os
from pathlib import Path

import jax


def configure_jax(threads: int = 0, compile_cache: Path | None = None) -> None:
    """Use at most `threads` threads (0: one a processor), 64-bit integers, and a compile cache if one is given."""
    if threads:
        os.environ["NPROC"] = str(threads)  # what XLA's CPU client sizes its thread pools by
    jax.config.update("jax_enable_x64", True)  # mass is counted in 64-bit integers; all else names its own width
    if compile_cache is not None:
        jax.config.update("jax_compilation_cache_dir", str(compile_cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
