"""What a candidate lost is known from the gateway: requests sent to a process that hangs, and dies with them."""

from __future__ import annotations

from itertools import islice
from typing import Any

import httpx
import pytest

from local.gateway.install import Edge
from tests.support.faults import hang_servers, kill_servers
from tests.support.gateways import routed_release, steady_load
from tests.support.rollouts import Rollouts
from tests.support.waiting import wait_for

NAME = "loser"


@pytest.fixture
def established(rollouts: Rollouts, images: dict[str, str], edge: Edge) -> Rollouts:
    rollouts.apply(routed_release(NAME, images["sampler"], "1", edge))
    rollouts.wait_condition(NAME, "Ready", timeout=180)
    return rollouts


@pytest.mark.timeout(600)
def test_what_a_candidate_lost_is_known_from_the_gateway(
    established: Rollouts, images: dict[str, str], edge: Edge
) -> None:
    """It accounts for every request, however it was answered, until a process of its hangs and dies with some."""
    rollouts = established
    with steady_load(edge) as load:
        rollouts.apply(routed_release(NAME, images["sampler"], "2", edge, pause=True))
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
