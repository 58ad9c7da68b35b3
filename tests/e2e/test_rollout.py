"""The main job on a real node: a good release is promoted although the operator is killed and Prometheus goes away in
mid-canary; a bad one and one that cannot start are rolled back with the reason, and stable goes on serving. No request
fails in all that.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from local.demo.load import LoadGenerator
from local.demo.tally import OK
from tests.support.faults import Faults
from tests.support.rollouts import CANARY_WEIGHT, Rollouts, condition_of, manifest, synthetic_pool
from tests.support.waiting import wait_for

NAME = "sampler"
POOLS = ("cpu-a", "cpu-b")
# Longer than the step of 5 s, and than three scrapes of 2 s: what is known goes stale. Three looks come in that time.
OUTAGE_SECONDS = 12


def release(image: str, build: str, *, model: str = "synthetic", pause: bool = False) -> dict[str, object]:
    pools = [synthetic_pool(pool, image, SAMPLER_EXAMPLE_BUILD=build, SAMPLER_MODEL=model) for pool in POOLS]
    return manifest(NAME, pools, pause=pause)


@pytest.fixture
def established(rollouts: Rollouts, images: dict[str, str]) -> Rollouts:
    rollouts.apply(release(images["sampler"], "1"))
    rollouts.wait_condition(NAME, "Ready", timeout=180)
    return rollouts


@pytest.fixture
def load(established: Rollouts) -> Iterator[LoadGenerator]:
    with LoadGenerator(established.reached_service(NAME), model="synthetic", workers=4, api="completions") as generator:
        wait_for("a first answer", lambda: answered(generator), timeout=60)
        yield generator


@pytest.mark.timeout(1800)
def test_good_release_survives_crash_and_outage_and_bad_ones_are_rolled_back(
    faults: Faults, established: Rollouts, load: LoadGenerator, images: dict[str, str]
) -> None:
    load.phase = "good release"
    good_release_is_promoted(faults, established, images["sampler"])
    load.phase = "bad release"
    bad_release_is_rolled_back(established, load, images["seeded:rare-token-boost"])
    load.phase = "release that cannot start"
    release_that_cannot_start_is_rolled_back(established, load, images["sampler"])
    asked = load.tally.records()
    failed = [
        f"{one.phase}, {time.strftime('%H:%M:%S', time.gmtime(one.at))}: {one.outcome}, {one.detail}"
        for one in asked
        if one.outcome != OK
    ]
    assert failed == [], f"{len(failed)} of {len(asked)} requests failed: {failed[:20]}"


def good_release_is_promoted(faults: Faults, rollouts: Rollouts, image: str) -> None:
    """Killed operator, blind operator, then promoted."""
    first = rollouts.status(NAME)["stable"]["hash"]
    # It pauses until the faults are in place: without the pause it could be promoted before, on a machine where killing
    # and looking take longer than the step.
    rollouts.apply(release(image, "2", pause=True))
    wait_for("the pause after the canary's step", lambda: rollouts.waits_for_person(NAME), timeout=180)
    assert rollouts.candidate_requests(NAME) > 0
    with faults.outage():
        faults.kill_operator()
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


def bad_release_is_rolled_back(rollouts: Rollouts, load: LoadGenerator, image: str) -> None:
    """At its canary, with the reason."""
    stable = rollouts.status(NAME)["stable"]["hash"]
    rollouts.apply(release(image, "3"))
    stalled = rollouts.wait_condition(NAME, "Stalled", timeout=180)
    assert stalled["reason"] == "RolledBack"
    assert "unexpected-script" in stalled["message"]
    assert rollouts.condition(NAME, "Ready")["status"] == "False"
    status = rollouts.status(NAME)
    assert status["stable"]["hash"] == stable
    assert status["history"][0]["weight"] == CANARY_WEIGHT
    only_stable_serves(rollouts, load)


def release_that_cannot_start_is_rolled_back(rollouts: Rollouts, load: LoadGenerator, image: str) -> None:
    """Its container exits at once, again and again: no request ever reaches it."""
    stable = rollouts.status(NAME)["stable"]["hash"]
    began = time.time()
    rollouts.apply(release(image, "4", model="no-such-model"))
    stalled = rollouts.wait_condition(NAME, "Stalled", timeout=240)
    assert stalled["reason"] == "RolledBack"
    status = rollouts.status(NAME)
    assert status["stable"]["hash"] == stable
    assert (status["history"][0]["result"], status["history"][0]["reason"]) == ("RolledBack", "PodsFailing")
    only_stable_serves(rollouts, load)
    answers = [one for one in load.tally.records(since=began) if one.outcome == OK]
    assert {one.fingerprint.partition("-")[0] for one in answers} == revisions_of(status)


def only_stable_serves(rollouts: Rollouts, load: LoadGenerator) -> None:
    status = rollouts.status(NAME)
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
