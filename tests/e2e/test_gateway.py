"""Through a real gateway: a good release goes through its weights and a bad one is rolled back, under load, and no
request fails: neither a client nor the proxy's own book sees one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import httpx
import pytest

from local.anycluster import AnyCluster
from local.demo.load import LoadGenerator
from local.demo.tally import failures_by_phase
from local.gateway.install import Edge
from tests.support.faults import hang_servers, kill_servers
from tests.support.gateways import routed_by, sent, steady_load
from tests.support.installed import namespace_of
from tests.support.rollouts import Rollouts, manifest, synthetic_pool
from tests.support.waiting import wait_for

NAME = "routed"
WEIGHTS = (10, 25, 50, 75)


def release(image: str, build: str, edge: Edge) -> dict[str, Any]:
    made = manifest(NAME, [synthetic_pool("cpu", image, SAMPLER_EXAMPLE_BUILD=build)])
    made["spec"]["routing"] = {"gateway": routed_by(edge)}
    made["spec"]["strategy"]["steps"] = [{"weight": weight, "minDuration": "5s"} for weight in WEIGHTS]
    return made


@pytest.fixture(scope="module")
def established(
    cluster: AnyCluster, operator: str, images: dict[str, str], edge: Edge, request: pytest.FixtureRequest
) -> Iterator[Rollouts]:
    """A release that serves; what it was before a test is none of the next one's concern."""
    with namespace_of(cluster, request) as rollouts:
        rollouts.apply(release(images["sampler"], "1", edge))
        rollouts.wait_condition(NAME, "Ready", timeout=180)
        yield rollouts


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


@pytest.mark.machine("it hangs and kills the servers' processes")
@pytest.mark.timeout(600)
def test_what_a_candidate_lost_is_known_from_the_gateway(
    established: Rollouts, images: dict[str, str], edge: Edge
) -> None:
    """It accounts for every request, however it was answered, until a process of its hangs and dies with some."""
    rollouts, made = established, release(images["sampler"], "4", edge)
    made["spec"]["strategy"]["steps"] = [{"weight": 50, "minDuration": "5s"}, {"pause": {}}]
    with steady_load(edge) as load:
        rollouts.apply(made)
        wait_for("this candidate", lambda: rollouts.condition(NAME, "Reconciling"), timeout=60)
        wait_for(
            "requests on the candidate", lambda: pool(rollouts).get("requests", {}).get("exposed", 0) > 100, timeout=180
        )
        # Refused ones, and others that no engine sees, are not lost.
        others = [httpx.get(f"{edge.url}/v1/{path}", trust_env=False) for path in ("models", "nothing") * 8]
        assert {one.status_code for one in others} == {200, 404}
        load.stop()
        wait_for("an account without a loss", lambda: lost(rollouts) == 0, timeout=60)

    revision = rollouts.status(NAME)["candidate"]["pools"][0]["revision"]
    pods = rollouts.get("pods")["items"]
    mine = [one for one in pods if one["metadata"]["labels"].get("samplerrollouts.io/revision") == revision]
    assert hang_servers(mine)
    asked = (unanswered(edge) for _ in range(1000))
    assert list(islice(filter(None, asked), 3)) == [True] * 3, "no request has reached the servers that hang"
    assert kill_servers(mine)
    with steady_load(edge) as load:
        wait_for("answers after that", lambda: len(load.tally.records()) > 200, timeout=60)
    wait_for("the loss", lambda: lost(rollouts), timeout=90)
    errors = next(one for one in pool(rollouts)["checks"] if one["name"] == "errors")
    assert "requests that the gateway sent are accounted for by no pod" in errors["detail"]


def unanswered(edge: Edge) -> bool:
    """Whether a request gets no answer within a second: long enough for the gateway's counter to be read."""
    body = {"model": "synthetic", "prompt": "A clock", "max_tokens": 1}
    try:
        httpx.post(f"{edge.url}/v1/completions", json=body, timeout=1.0, trust_env=False)
    except httpx.ReadTimeout:
        return True
    return False


def lost(rollouts: Rollouts) -> int | None:
    """Of the candidate's requests, if that is known of all."""
    account = pool(rollouts).get("unaccounted") or {}
    return int(account["lost"]) if account.get("sent", 0) > 100 and not account["unknown"] else None


def pool(rollouts: Rollouts) -> dict[str, Any]:
    """Of the only one."""
    found: dict[str, Any] = rollouts.status(NAME)["pools"][0]
    return found


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
