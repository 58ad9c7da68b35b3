"""Memory that is freed is kept for the next look: pages are not faulted in again and again."""

from __future__ import annotations

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


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_arrays_of_one_look_are_those_of_the_last() -> None:
    kept, usual = (
        int(subprocess.run([sys.executable, "-c", _FAULTS, how], check=True, capture_output=True, text=True).stdout)
        for how in ("kept", "usual")
    )
    assert kept < 100, "pages are given back between looks"
    assert usual > 10 * kept, "this process would have kept them anyway: the test shows nothing"
