"""Bring your own server: one that is nothing of ours, has vLLM's metrics alone, judged by them and by the prober.

A good release is promoted; one that never draws the best token, and whose every answer comes in time, is rolled back by
what the prober finds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.cluster import Cluster
from local.demo.load import LoadGenerator
from local.demo.tally import OK
from tests.support.rollouts import CANARY_WEIGHT, Rollouts
from tests.support.waiting import wait_for

NAME = "own"
EXAMPLES = Path(__file__).parents[2] / "examples"
TEMPLATES = EXAMPLES / "check-templates/vllm.yaml"
GOOD, BAD = "own-server", "own-server:top-token-dropped"
PROBES_A_SECOND = "20"


@pytest.fixture(scope="module")
def own_images(cluster: Cluster) -> dict[str, str]:
    return cluster.build_images(GOOD, BAD)


@pytest.fixture
def templates(rollouts: Rollouts) -> Iterator[None]:
    """The admin's: of the whole cluster."""
    text = TEMPLATES.read_text()
    rollouts.cluster.kubectl("apply", "-f", "-", stdin=text)
    yield
    rollouts.cluster.kubectl("delete", "-f", "-", "--ignore-not-found", stdin=text)


def release(image: str, prober: str, build: str) -> dict[str, Any]:
    """The example, quick enough for a test."""
    made: dict[str, Any] = yaml.safe_load((EXAMPLES / "own-server/rollout.yaml").read_text())
    spec = made["spec"]
    spec["pools"][0] |= {"image": image, "template": {"env": [{"name": "EXAMPLE_BUILD", "value": build}]}}
    spec["strategy"] = {
        "steps": [{"weight": CANARY_WEIGHT, "minDuration": "5s"}],
        "progressDeadline": "60s",
        "deadline": "5m",
        "bakeTime": "5s",
    }
    spec["quality"]["probes"] = {"requestsPerSecond": PROBES_A_SECOND, "image": prober}
    spec["quality"]["checks"] = [
        {"name": "failed", "template": "vllm-failed", "maxRate": "3%"},
        {"name": "slow", "template": "vllm-latency", "maxRate": "10%"},
        {"name": "probe-errors", "maxRate": "10%"},
        {"name": "probe-calibration", "maxRate": "10%"},
        {"name": "probe-equality", "maxRate": "10%"},
    ]
    spec["rollback"] = {"drainTimeout": "10s"}
    return made


@pytest.mark.timeout(600)
def test_a_server_of_ones_own_is_promoted_and_a_bad_build_of_it_rolled_back(
    rollouts: Rollouts, templates: None, own_images: dict[str, str], images: dict[str, str]
) -> None:
    rollouts.apply(release(own_images[GOOD], images["sampler"], "1"))
    rollouts.wait_condition(NAME, "Ready", timeout=120)
    first = rollouts.status(NAME)["stable"]["hash"]
    with LoadGenerator(rollouts.reached_service(NAME), model="page-of-prose", workers=2, api="completions") as load:
        loaded = time.time()
        wait_for("a first answer", load.tally.fingerprints, timeout=60)
        rollouts.apply(release(own_images[GOOD], images["sampler"], "2"))
        rollouts.wait_condition(NAME, "Ready", timeout=120)
        second = promoted(rollouts, first)
        rollouts.apply(release(own_images[BAD], images["sampler"], "3"))
        stalled = rollouts.wait_condition(NAME, "Stalled", timeout=120)
        assert stalled["reason"] == "RolledBack"
        assert "probe-equality" in stalled["message"] or "probe-calibration" in stalled["message"], stalled["message"]
        rolled_back(rollouts, second)
    asked = load.tally.records()
    failed = [(round(one.at - loaded, 1), one.outcome, one.detail) for one in asked if one.outcome != OK]
    assert failed == [], "users met a failure (seconds since the load began, outcome, detail)"


def promoted(rollouts: Rollouts, first: str) -> str:
    """By evidence: every check of both kinds had data of the candidate's own."""
    status = rollouts.status(NAME)
    assert status["history"][0]["result"] == "Promoted"
    second: str = status["stable"]["hash"]
    assert second != first
    return second


def rolled_back(rollouts: Rollouts, stable: str) -> None:
    """At its canary; servers were asked by an image that is not theirs."""
    status = rollouts.status(NAME)
    assert status["stable"]["hash"] == stable
    assert (status["history"][0]["result"], status["history"][0]["weight"]) == ("RolledBack", CANARY_WEIGHT)
    ours = {"samplerrollouts.io/pool", "samplerrollouts.io/revision"}
    wait_for("only stable's pods", lambda: len(revisions(rollouts, ours)) == 1, timeout=60)


def revisions(rollouts: Rollouts, labels: set[str]) -> set[str]:
    every = [pod["metadata"]["labels"] for pod in rollouts.get("pods")["items"]]
    return {one["samplerrollouts.io/revision"] for one in every if labels <= one.keys()}
