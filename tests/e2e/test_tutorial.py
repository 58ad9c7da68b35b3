"""The tutorial, typed as it stands: every command of docs/tutorial.md in one shell, in the folder that was cloned.

It takes the operator and its definitions away in the end, so it comes after the tests that need them (conftest.py).
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cluster import Cluster
from local.demo.options import TREE
from tests.support.pages import DOCS

pytestmark = pytest.mark.machine("the tutorial is typed there")
PAGE = DOCS / "tutorial.md"
COMMANDS = re.compile(r"(?ms)^```sh\n(.*?)^```$")
# Echoed before each block, so that a failure shows which one it was.
MARK = "===== block {number}"


def script() -> str:
    """All blocks of the page; the shell ends at the first command that fails."""
    blocks = COMMANDS.findall(PAGE.read_text())
    assert len(blocks) > 8
    marked = (f"echo '{MARK.format(number=number)}'\n{block}" for number, block in enumerate(blocks, 1))
    return "set -euo pipefail\n" + "\n".join(marked)


@pytest.fixture
def shell(cluster: Cluster, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Bash with the page's commands, its output in a file; nothing that it started outlives the test."""
    with (tmp_path / "output").open("w") as output:
        started = subprocess.Popen(
            ["bash", "-c", script()],
            cwd=TREE,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        yield started
        # Also the load in its background; the group is gone where the page ended as it should.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGTERM)
        started.wait(timeout=30)
    cluster.kubectl("delete", "namespace", "tutorial", "--ignore-not-found", "--wait=true", timeout=120)


@pytest.mark.timeout(900)
def test_every_command_of_the_tutorial_does_what_the_page_says(shell: subprocess.Popen[str], tmp_path: Path) -> None:
    code = shell.wait(timeout=840)
    output = (tmp_path / "output").read_text()
    assert code == 0, output[-4000:]
    parts = re.split(r"(?m)^===== block \d+\n", output)[1:]
    assert '"system_fingerprint"' in part(parts, "/v1/completions")
    assert "Promoted" in part(parts, "samplerctl history")
    sentence = part(parts, "samplerctl explain")
    assert "Rolled back release" in sentence
    assert "check unexpected-script was bad in" in sentence
    traffic = (TREE / "out/tutorial/traffic").read_text().splitlines()
    assert traffic[-1].endswith("failed so far: 0"), traffic[-1]


def part(parts: list[str], command: str) -> str:
    """What the block with this command printed."""
    (found,) = (place for place, block in enumerate(COMMANDS.findall(PAGE.read_text())) if command in block)
    return parts[found]
