"""JAX's process-wide settings. They must be made before the first computation."""

import hashlib
import logging
import os
from pathlib import Path

import jax

log = logging.getLogger(__name__)

_CPUINFO = Path("/proc/cpuinfo")
_KIND = (
    *("vendor_id", "cpu family", "model", "stepping", "flags"),
    *("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "Features"),
)
"""The lines of /proc/cpuinfo that machine code can depend on, on x86 and on ARM."""


def configure_jax(threads: int = 0, compile_cache: Path | None = None) -> None:
    """Use at most `threads` threads (0: one a processor), 64-bit integers, and a compile cache if one is given."""
    if threads:
        os.environ["NPROC"] = str(threads)  # what XLA's CPU client sizes its thread pools by
    jax.config.update("jax_enable_x64", True)  # mass is counted in 64-bit integers; all else names its own width
    folder = cache_folder(compile_cache, _cpuinfo()) if compile_cache else None
    if folder is not None:
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def emulate_devices(count: int) -> None:
    """Let the CPU look like several devices. On other platforms those that there are stay; call it before any use."""
    jax.config.update("jax_num_cpu_devices", count)


def cache_folder(root: Path, cpuinfo: str) -> Path | None:
    """The folder in `root` for this kind of processor; None if there is none and none can be made.

    XLA loads code that was compiled for a processor with other features and only logs that it may crash, so a cache
    on a shared volume or in an image must be kept apart by processor here.
    """
    kind = processor(cpuinfo)
    if kind is None:
        log.warning("no compile cache: this processor is unknown")
        return None
    folder = root / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if not folder.is_dir():
            log.warning("no compile cache: %s has nothing for this processor and takes nothing new: %s", root, error)
            return None
    return folder


def processor(cpuinfo: str) -> str | None:
    """A short name for the kind of the first processor in /proc/cpuinfo, None if that says nothing of it."""
    lines = (line.partition(":") for line in cpuinfo.partition("\n\n")[0].splitlines())
    facts = {name.strip(): value.strip() for name, _, value in lines}
    known = [f"{name}={facts[name]}" for name in _KIND if name in facts]
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:16] if known else None


def this_processor() -> str | None:
    """The short name of this machine's kind of processor."""
    return processor(_cpuinfo())


def flags_hash() -> str:
    """A short hash of the compiler's flags (XLA_FLAGS)."""
    return hashlib.sha256(os.environ.get("XLA_FLAGS", "").encode()).hexdigest()[:10]


def _cpuinfo() -> str:
    try:
        return _CPUINFO.read_text()
    except OSError:  # no Linux
        return ""
