"""Keeps the process small."""

import ctypes
import gc


def release_memory() -> None:
    """Give the heap that loading and compiling used back to the system (glibc keeps it otherwise)."""
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):  # another C library: nothing to do
        return
