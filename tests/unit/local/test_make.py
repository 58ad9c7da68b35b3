"""The Makefile on a minimal Debian."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from local.images import TREE


def test_help_needs_no_more_than_a_minimal_debian_has(tmp_path: Path) -> None:
    for program in ("make", "bash", "awk"):
        (tmp_path / program).symlink_to(shutil.which(program) or "")
    done = subprocess.run(
        [tmp_path / "make", "help"], cwd=TREE, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = {line.split()[0]: line.split(maxsplit=1)[1] for line in done.stdout.splitlines()}
    assert told["cluster-up"].startswith("start the local cluster (root)")
    assert {"help", "demo", "test", "unit", "lint", "clean"} <= set(told)
