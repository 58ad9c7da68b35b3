"""Sessions through a real gateway: each stays with the release that had its first request.

It moves when that release leaves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from sampler_rollouts.domain.resource import ACT_PREFIX

from local.gateway.install import Edge
from tests.support.gateways import routed_release
from tests.support.rollouts import CANARY_WEIGHT, Rollouts
from tests.support.waiting import wait_for

NAME = "sticky"
SESSIONS = 40
FEWEST = 5
"""Of 40 sessions at half the weight, so many are at each release but once in a million times."""


def release(image: str, build: str, edge: Edge) -> dict[str, Any]:
    made = routed_release(NAME, image, build, edge, pause=True)
    made["spec"]["routing"]["session"] = {"affinity": "Cookie"}
    return made


@pytest.fixture
def sessions(edge: Edge) -> Iterator[list[httpx.Client]]:
    """Clients that keep their cookies."""
    with ExitStack() as stack:
        yield [stack.enter_context(httpx.Client(base_url=edge.url, trust_env=False)) for _ in range(SESSIONS)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rolled_back", [True, False], ids=["rolled back", "withdrawn"])
def test_a_session_stays_and_moves_when_its_release_leaves(
    rollouts: Rollouts, images: dict[str, str], edge: Edge, sessions: list[httpx.Client], rolled_back: bool
) -> None:
    rollouts.apply(release(images["sampler"], "1", edge))
    rollouts.wait_condition(NAME, "Ready", timeout=180)
    rollouts.apply(release(images["sampler"], "2", edge))
    wait_for("half the weight", lambda: weight(rollouts) == CANARY_WEIGHT, timeout=180)
    status = rollouts.status(NAME)
    stable, candidate = (status[role]["pools"][0]["revision"] for role in ("stable", "candidate"))

    first = [revision_for(session) for session in sessions]
    assert min(Counter(first)[one] for one in (stable, candidate)) >= FEWEST, Counter(first)
    for _ in range(5):
        assert [revision_for(session) for session in sessions] == first, "a session went from one release to the other"

    if rolled_back:
        said = f"{ACT_PREFIX}abort={status['candidate']['hash']}"
        rollouts.kubectl("annotate", "samplerrollout", NAME, said, "--overwrite")
        assert rollouts.wait_condition(NAME, "Stalled", timeout=120)["reason"] == "RolledBack"
    else:
        rollouts.apply(release(images["sampler"], "1", edge))
        rollouts.wait_condition(NAME, "Ready", timeout=120)
    assert {revision_for(session) for session in sessions} == {stable}


def weight(rollouts: Rollouts) -> int:
    """The candidate's, by the route in force."""
    status = rollouts.status(NAME)
    return int(status["pools"][0].get("observedWeight", 0)) if status.get("candidate") else 0


def revision_for(session: httpx.Client) -> str:
    """Which release answers it."""
    answer = session.post("/v1/completions", json={"model": "synthetic", "prompt": "x", "max_tokens": 1})
    assert answer.status_code == httpx.codes.OK, answer.text
    return str(answer.json()["system_fingerprint"]).partition("-")[0]
