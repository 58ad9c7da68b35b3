"""Memory that is freed is kept for the next look: pages are not faulted in again and again."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource, sys
import numpy as np
from sampler_rollouts import memory
if sys.argv[1] == "kept":
    memory.keep_freed()
def look():
    some = [np.ones(64 * 1024) for _ in range(4)]  # half a megabyte each, dropped at the end
for _ in range(5):
    look()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    look()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's")
def test_arrays_of_one_look_are_those_of_the_last() -> None:
    kept, usual = (faults(how) for how in ("kept", "usual"))
    assert kept < 100, "pages are given back between looks"
    assert usual > 1000, "this process would have kept them anyway: the test shows nothing"


_THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Lock
import numpy as np
from sampler_rollouts import memory
if sys.argv[1] == "kept":
    memory.keep_freed()
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
meet, alone = Barrier(16), Lock()
def look(_):
    meet.wait(60)  # each in a thread of its own
    with alone:
        for _ in range(5):
            some = [np.ones(64 * 1024) for _ in range(8)]
before = resident()
with ThreadPoolExecutor(16) as pool:
    list(pool.map(look, range(16)))
    print((resident() - before) >> 20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's")
def test_what_is_kept_is_not_kept_for_each_thread() -> None:
    line = [sys.executable, "-c", _THREADS, "kept"]
    found = subprocess.run(line, check=True, capture_output=True, text=True)
    assert int(found.stdout) < 40, "MiB for 16 threads that used 4 each, one after the other"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's")
def test_what_the_environment_says_is_left_alone() -> None:
    assert faults("kept", MALLOC_TRIM_THRESHOLD_="131072", MALLOC_MMAP_THRESHOLD_="131072") > 1000


def faults(how: str, **environment: str) -> int:
    line = [sys.executable, "-c", _FAULTS, how]
    found = subprocess.run(line, check=True, capture_output=True, text=True, env=os.environ | environment)
    return int(found.stdout)
