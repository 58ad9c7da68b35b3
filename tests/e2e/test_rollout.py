"""The main job on a real node: a good release is promoted although the operator is killed and Prometheus goes away in
mid-canary; a bad one is rolled back with the reason, and stable goes on serving.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from local.cluster import Cluster
from local.demo.load import LoadGenerator
from tests.support.faults import kill_operator, paused_prometheus
from tests.support.rollouts import Rollouts, manifest, synthetic_pool
from tests.support.waiting import wait_for

NAME = "sampler"
POOLS = ("cpu-a", "cpu-b")
# Longer than the step, and than three scrapes: what is known goes stale.
OUTAGE_SECONDS = 20


def release(image: str, build: str) -> dict[str, object]:
    return manifest(NAME, [synthetic_pool(pool, image, SAMPLER_EXAMPLE_BUILD=build) for pool in POOLS])


@pytest.fixture
def established(rollouts: Rollouts, images: dict[str, str]) -> Rollouts:
    rollouts.apply(release(images["sampler"], "1"))
    rollouts.wait_condition(NAME, "Ready", timeout=180)
    return rollouts


@pytest.fixture
def load(established: Rollouts) -> Iterator[LoadGenerator]:
    with LoadGenerator(established.service_url(NAME), model="synthetic", workers=4, api="completions") as generator:
        wait_for("a first answer", lambda: answered(generator), timeout=60)
        yield generator


@pytest.mark.timeout(600)
def test_good_release_survives_crash_and_outage_and_bad_one_is_rolled_back(
    cluster: Cluster, established: Rollouts, load: LoadGenerator, images: dict[str, str]
) -> None:
    rollouts = established
    first = rollouts.status(NAME)["stable"]["hash"]

    # A good release: killed operator, blind operator, then promoted.
    rollouts.apply(release(images["sampler"], "2"))
    wait_for("canary traffic", lambda: rollouts.candidate_requests(NAME) > 0, timeout=180)
    with paused_prometheus(cluster):
        kill_operator(cluster)
        wait_for(
            "the operator noticing that the metrics source is away",
            lambda: rollouts.condition(NAME, "MetricsAvailable").get("status") == "False",
            timeout=90,
        )
        time.sleep(OUTAGE_SECONDS)  # the outage itself is what is tested
        status = rollouts.status(NAME)
        assert status["stable"]["hash"] == first, "promoted without data"
        assert status["candidate"]["hash"] != first, "rolled back without data"
        assert all(pool["weight"] == 50 for pool in status["pools"])
    rollouts.wait_condition(NAME, "Ready", timeout=180)
    second = rollouts.status(NAME)["stable"]["hash"]
    assert second != first
    assert rollouts.status(NAME)["history"][0]["result"] == "Promoted"

    # A bad one: rolled back at its canary, with the reason.
    rollouts.apply(release(images["seeded:rare-token-boost"], "3"))
    stalled = rollouts.wait_condition(NAME, "Stalled", timeout=180)
    assert stalled["reason"] == "RolledBack"
    assert "unexpected-script" in stalled["message"]
    assert rollouts.condition(NAME, "Ready")["status"] == "False"
    status = rollouts.status(NAME)
    assert status["stable"]["hash"] == second
    assert status["history"][0]["weight"] == 50
    wait_for("only stable's pods", lambda: served_revisions(rollouts) == revisions_of(status), timeout=90)
    before = answered(load)
    wait_for("answers after the rollback", lambda: answered(load) > before + 20, timeout=60)


def answered(load: LoadGenerator) -> int:
    return sum(load.tally.fingerprints().values())


def served_revisions(rollouts: Rollouts) -> set[str]:
    pods = rollouts.get("pods")["items"]
    return {pod["metadata"]["labels"]["samplerrollouts.io/revision"] for pod in pods}


def revisions_of(status: dict[str, object]) -> set[str]:
    return {pool["revision"] for pool in status["stable"]["pools"]}  # type: ignore[index,attr-defined]
