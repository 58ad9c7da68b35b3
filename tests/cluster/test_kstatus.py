"""What kstatus, in the copy that Flux waits with, says of a rollout in every state. It needs Go and no cluster."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local import tools
from local.settings import load
from tests.unit.operator.gitops.states import STATES

Verdict = dict[str, str]
Ask = Callable[[dict[str, Any]], Verdict]


@pytest.fixture(scope="module")
def program() -> Path:
    """The small program around kstatus, built if it is not there yet."""
    return tools.ensure(load(), ["kstatus"])["kstatus"]


@pytest.fixture
def ask(program: Path) -> Ask:
    def call(body: dict[str, Any]) -> Verdict:
        done = subprocess.run(
            [program], input=json.dumps(body), capture_output=True, text=True, check=False, timeout=30
        )
        assert done.returncode == 0, done.stderr
        verdict: Verdict = json.loads(done.stdout)
        return verdict

    return call


@pytest.mark.parametrize("name", STATES)
def test_verdict(ask: Ask, name: str) -> None:
    assert ask(STATES[name].object())["status"] == STATES[name].kstatus


def test_a_failure_says_why(ask: Ask) -> None:
    """Flux puts this into its own condition, its event and the commit's status."""
    body = STATES["rolled-back"].object()
    (stalled,) = (one for one in body["status"]["conditions"] if one["type"] == "Stalled")
    assert stalled["message"] in ask(body)["message"]


def test_without_the_default_of_status_nobody_would_wait_for_the_operator(ask: Ask) -> None:
    """Why the CRD has one: kstatus takes what has no status for done."""
    body = STATES["applied"].object()
    assert body.pop("status") == {"observedGeneration": -1}
    assert ask(body)["status"] == "Current"


def test_what_is_no_object_is_refused(program: Path) -> None:
    done = subprocess.run([program], input='{"kind": 7}', capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert "document 1 is not a Kubernetes object" in done.stderr
