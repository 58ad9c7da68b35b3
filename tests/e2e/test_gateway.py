"""Through a real gateway: a good release goes through its weights and a bad one is rolled back, under load, and no
request fails: neither a client nor the proxy's own book sees one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from local.anycluster import AnyCluster
from local.demo.load import LoadGenerator
from local.demo.tally import failures_by_phase
from local.gateway.install import Edge
from tests.support.gateways import routed_release, sent, steady_load
from tests.support.rollouts import Rollouts
from tests.support.waiting import wait_for

NAME = "routed"
WEIGHTS = (10, 25, 50, 75)


def release(image: str, build: str, edge: Edge) -> dict[str, Any]:
    made = routed_release(NAME, image, build, edge)
    made["spec"]["strategy"]["steps"] = [{"weight": weight, "minDuration": "5s"} for weight in WEIGHTS]
    return made


@pytest.fixture
def established(rollouts: Rollouts, images: dict[str, str], edge: Edge) -> Rollouts:
    rollouts.apply(release(images["sampler"], "1", edge))
    rollouts.wait_condition(NAME, "Ready", timeout=180)
    return rollouts


@pytest.fixture
def load(established: Rollouts, edge: Edge) -> Iterator[LoadGenerator]:
    with steady_load(edge) as generator:
        yield generator


@pytest.mark.timeout(600)
def test_weights_change_under_load_and_no_request_fails(
    cluster: AnyCluster, established: Rollouts, load: LoadGenerator, images: dict[str, str], edge: Edge
) -> None:
    rollouts, began = established, datetime.now(UTC)
    first = rollouts.status(NAME)["stable"]
    (fingerprint,) = load.tally.fingerprints()
    assert fingerprint.startswith(first["pools"][0]["revision"] + "-")
    assert not fingerprint.endswith("-none"), "the gateway does not say which table it is"

    load.phase = "good"
    rollouts.apply(release(images["sampler"], "2", edge))
    weights = seen_until_ready(rollouts, first["hash"])
    assert set(WEIGHTS) <= weights, weights
    second = rollouts.status(NAME)["stable"]
    assert rollouts.status(NAME)["history"][0]["result"] == "Promoted"

    load.phase = "bad"
    rollouts.apply(release(images["seeded:rare-token-boost"], "3", edge))
    stalled = rollouts.wait_condition(NAME, "Stalled", timeout=240)
    assert stalled["reason"] == "RolledBack"
    assert "unexpected-script" in stalled["message"]
    bad = rollouts.status(NAME)["history"][0]
    assert bad["weight"] in WEIGHTS
    assert bad["requests"]["exposed"] > 0

    load.phase = "after"
    over = datetime.now(UTC)
    wait_for("answers after the rollback", lambda: len(load.tally.records(over.timestamp())) > 50, timeout=60)
    load.stop()
    revision = second["pools"][0]["revision"]
    late = {one.fingerprint for one in load.tally.records(over.timestamp()) if one.at > over.timestamp()}
    assert {name.partition("-")[0] for name in late} == {revision}
    assert failures_by_phase(load.tally.records()) == {}
    book = sent(cluster, edge, began)
    assert len(book) >= sum(load.tally.fingerprints().values()) / 2, "the proxy's book is not of this load"
    assert [one for one in book if one.failed] == []
    assert {one.server for one in book if one.at > over} <= addresses(rollouts)


def addresses(rollouts: Rollouts) -> set[str]:
    """Of the pods that are to stay."""
    pods = rollouts.get("pods")["items"]
    return {pod["status"]["podIP"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}


def seen_until_ready(rollouts: Rollouts, before: str) -> set[int]:
    """The candidate's weights by the route in force, until another release serves alone."""
    weights: set[int] = set()

    def done() -> bool:
        status = rollouts.status(NAME)
        if status.get("candidate"):
            weights.update(pool["observedWeight"] for pool in status["pools"])
        return bool(status["stable"]["hash"] != before and rollouts.condition(NAME, "Ready").get("status") == "True")

    wait_for("the promotion", done, timeout=300)
    return weights
