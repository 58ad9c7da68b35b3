"""Schemathesis against a server that runs: requests made from its own description, and answers held against it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from samplerd.openapi import PATH

from tests.support.examples import SAME

NOT_CHECKED = "positive_data_acceptance"
"""What fits the description may be refused all the same: a prompt too long for this model, another release's rating."""


def fuzz(api: str, folder: Path, *options: str) -> tuple[int, str]:
    """How many requests were sent, and what was wrong with the answers, if anything was.

    Checked are: no 5xx; status, content type, headers, body and events of each answer are as described; what does not
    fit the description is refused, and so are other methods. ``folder`` takes what Schemathesis writes.
    """
    line = [sys.executable, "-m", "schemathesis.cli", "run", api + PATH, "--exclude-checks", NOT_CHECKED]
    always = ["--no-color", "--generation-database", "none", "--request-timeout", "60", "--continue-on-failure"]
    seed = ["--seed", "1"] if SAME else []
    environment = {**os.environ, "NO_PROXY": "*", "no_proxy": "*"}
    done = subprocess.run(
        [*line, *always, *seed, *options], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    sent = re.search(r"(\d+) generated", said)
    return int(sent[1]) if sent else 0, "" if done.returncode == 0 else said
