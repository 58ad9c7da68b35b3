"""Recorded latency checks: what a file holds is the pair, requests and slow ones, not the histogram."""

from __future__ import annotations

from pathlib import Path

import yaml
from sampler_rollouts.domain.evidence.look import Verdict
from samplerctl.recording import read
from samplerctl.replay import replay
from samplerctl.rollout_file import read_quality

HEADER = "time,check,pool,release,pod,checked_total,bad_total"


def course(folder: Path, slow: int) -> Verdict:
    rows = [f"{15 * look},latency,gpu,candidate,c1,{20 * look},{slow * look}" for look in range(12)]
    (folder / "file.csv").write_text("\n".join([HEADER, *rows]))
    check = {"name": "latency", "slowerThan": "2.5s", "maxRate": "3%"}
    (folder / "quality.yaml").write_text(yaml.safe_dump({"designEffect": "1", "checks": [check]}))
    quality = read_quality(folder / "quality.yaml")
    return replay(read(folder / "file.csv"), quality)["latency", "gpu"].final.verdict


def test_a_slow_build_fails_and_a_quick_one_passes(tmp_path: Path) -> None:
    assert course(tmp_path, slow=8) is Verdict.FAILED
    assert course(tmp_path, slow=0) is Verdict.PASSED
