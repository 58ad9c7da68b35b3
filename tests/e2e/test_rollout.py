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
from tests.support.rollouts import CANARY_WEIGHT, Rollouts, condition_of, manifest, synthetic_pool
from tests.support.waiting import wait_for

NAME = "sampler"
POOLS = ("cpu-a", "cpu-b")
# Longer than the step, and than three scrapes: what is known goes stale.
OUTAGE_SECONDS = 20


def release(image: str, build: str, *, pause: bool = False) -> dict[str, object]:
    pools = [synthetic_pool(pool, image, SAMPLER_EXAMPLE_BUILD=build) for pool in POOLS]
    return manifest(NAME, pools, pause=pause)


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

    # A good release: killed operator, blind operator, then promoted. It pauses until the faults are in place: without
    # the pause it could be promoted before, on a machine where killing and looking take longer than the step.
    rollouts.apply(release(images["sampler"], "2", pause=True))
    wait_for("the pause after the canary's step", lambda: rollouts.waits_for_person(NAME), timeout=180)
    assert rollouts.candidate_requests(NAME) > 0
    with paused_prometheus(cluster):
        kill_operator(cluster)
        wait_for(
            "the operator noticing that the metrics source is away",
            lambda: rollouts.condition(NAME, "MetricsAvailable").get("status") == "False",
            timeout=90,
        )
        # From here only data are missing: the step has done its time, and a person has said yes.
        rollouts.let_go_on(NAME)
        wait_for("the end of the pause", lambda: not rollouts.waits_for_person(NAME), timeout=60)
        time.sleep(OUTAGE_SECONDS)  # the outage itself is what is tested
        # One answer for all that is asked: between two the operator may have moved on.
        seen = rollouts.get("samplerrollout", NAME)
        status = seen["status"]
        assert condition_of(seen, "MetricsAvailable")["status"] == "False", "the outage ended by itself"
        assert status["stable"]["hash"] == first, "promoted without data"
        assert status["candidate"]["hash"] != first, "rolled back without data"
        assert all(pool["weight"] == CANARY_WEIGHT for pool in status["pools"])
        waits = condition_of(seen, "Reconciling")
        assert waits["reason"] == "Progressing"
        assert "fresh data" in waits["message"], waits["message"]
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
    assert status["history"][0]["weight"] == CANARY_WEIGHT
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
