"""A vocabulary split over emulated devices gives the tokens of one device, uneven parts and ties over borders included.

Public failures: TensorRT-LLM#18836, nkipy#52, tt-metal#48222, jax#19271. LONG=1 sweeps all mesh sizes.
"""

import os
import subprocess
import sys
from pathlib import Path

MESHES = ("1e", "2e", "3e", "4e", "8e") if os.environ.get("LONG") else ("3e",)
"""Devices; e: with edits and log-probabilities."""


def test_a_split_vocabulary_gives_the_same_tokens() -> None:
    root = Path(__file__).parents[3]
    paths = [*(root / part for part in ("", "sampler", "contract")), os.environ.get("PYTHONPATH", "")]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.unit.samplerd.sharded_check", *MESHES],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert ended.stdout.count("equal") == len(MESHES)
