"""What the process keeps of the memory that it has freed."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from typing import Final

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Parameters of glibc's mallopt(3)."""
_ARENAS: Final = 2
_LARGEST: Final = 8 << 20
"""Bytes of an answer by default, and of the arrays that are made of it."""


def keep_freed() -> None:
    """Let each of glibc's arenas keep some megabytes of freed memory, instead of handing them back after each look.

    A look makes and drops arrays of some hundred kilobytes: their page faults took a fifth of its time. glibc comes to
    the same by itself once an array of that size has been freed. Looks are made by many threads, one at a time for
    nearly all of it (Python's own lock), so two arenas do; glibc would give each thread its own, and keep some of each.
    What the environment says of it is left alone, and elsewhere than on glibc nothing is changed.
    """
    if any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return
    with suppress(OSError, AttributeError):  # no dynamic loading; no mallopt
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_ARENA_MAX, _ARENAS)
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, 2 * _LARGEST)
