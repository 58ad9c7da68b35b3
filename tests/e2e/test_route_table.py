"""A new route table alone, through a real gateway: an honest one is promoted, one that misroutes is rolled back.

No pod changes in either, and no request fails: neither a client nor the proxy's own book sees one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from local.anycluster import AnyCluster
from local.demo.answers import revision_of
from local.demo.ask import LONG, STANDARD
from local.demo.load import LoadGenerator
from local.demo.tally import failures_by_phase
from local.gateway.install import Edge
from tests.support.gateways import routed_by, sent, steady_load
from tests.support.rollouts import CANARY_WEIGHT, Rollouts, manifest, synthetic_pool
from tests.support.waiting import wait_for

NAME = "table"
POOLS = {"big": STANDARD, "small": STANDARD, "far": LONG}
CLASSES = [{"name": STANDARD, "maxTokens": 64}, {"name": LONG, "maxTokens": 224}]
"""A question has at most 40 tokens of the synthetic model's, five at once have 86 at least."""
HONEST = {"big": "75%", "small": "25%"}
MISROUTES = {"big": "60%", "small": "25%", "far": "15%"}
MANY = 200


def release(image: str, edge: Edge, shares: dict[str, str] | None = None) -> dict[str, Any]:
    pools = [
        synthetic_pool(name, image, SAMPLER_CONTEXT="256", SAMPLER_EXAMPLE_BUILD=name)
        | {"replicas": 1, "contextClass": context_class}
        for name, context_class in POOLS.items()
    ]
    made = manifest(NAME, pools)
    made["spec"]["routing"] = {"contextClasses": CLASSES, "gateway": routed_by(edge)}
    made["spec"]["quality"]["checks"].append({"name": "misrouted", "maxRate": "3%"})
    if shares:
        to = [{"pool": pool, "share": share} for pool, share in shares.items()]
        made["spec"]["routing"]["routes"] = [{"contextClass": STANDARD, "to": to}]
    return made


@pytest.fixture
def established(rollouts: Rollouts, images: dict[str, str], edge: Edge) -> Rollouts:
    rollouts.apply(release(images["sampler"], edge))
    rollouts.wait_condition(NAME, "Ready", timeout=180)
    return rollouts


@pytest.fixture
def load(established: Rollouts, edge: Edge) -> Iterator[LoadGenerator]:
    with steady_load(edge, long_share=0.3) as generator:
        yield generator


@pytest.mark.timeout(600)
def test_a_table_is_tested_like_a_build_and_no_request_fails(
    cluster: AnyCluster, established: Rollouts, load: LoadGenerator, images: dict[str, str], edge: Edge
) -> None:
    rollouts, began, pods = established, datetime.now(UTC), names(established)
    revisions = {item["revision"]: item["name"] for item in rollouts.status(NAME)["stable"]["pools"]}

    load.phase = "honest table"
    rollouts.apply(release(images["sampler"], edge, HONEST))
    ended(rollouts, "Promoted")
    stable = rollouts.status(NAME)["stable"]
    wait_for("the table in force", lambda: rollouts.condition(NAME, "Ready").get("status") == "True", timeout=60)
    short = answered(load, revisions, STANDARD)
    assert set(short) == {"big", "small"}
    assert 0.65 < short["big"] / short.total() < 0.85, short

    load.phase = "table that misroutes"
    rollouts.apply(release(images["sampler"], edge, MISROUTES))
    stalled = rollouts.wait_condition(NAME, "Stalled", timeout=240)
    assert stalled["reason"] == "RolledBack"
    assert "misrouted" in stalled["message"]
    bad = ended(rollouts, "RolledBack")
    assert bad["weight"] <= CANARY_WEIGHT
    assert rollouts.status(NAME)["stable"]["hash"] == stable["hash"]
    wait_for("stable's table alone", lambda: rollouts.status(NAME)["stage"] == "Serving", timeout=60)
    assert set(answered(load, revisions, STANDARD)) == {"big", "small"}
    assert set(answered(load, revisions, LONG)) == {"far"}

    load.stop()
    assert names(rollouts) == pods, "no pod changes where only the table does"
    assert failures_by_phase(load.tally.records()) == {}
    assert [one for one in sent(cluster, edge, began) if one.failed] == []


def ended(rollouts: Rollouts, result: str) -> dict[str, Any]:
    """The newest end of a rollout, once it is this one."""

    def newest() -> dict[str, Any]:
        found = (rollouts.status(NAME).get("history") or [{}])[0]
        return found if found.get("result") == result else {}

    return wait_for(f"the end {result}", newest, timeout=300)


def names(rollouts: Rollouts) -> set[str]:
    return {pod["metadata"]["name"] for pod in rollouts.get("pods")["items"]}


def answered(load: LoadGenerator, revisions: dict[str, str], context_class: str) -> Counter[str]:
    """Pools that answer requests which begin from now on."""
    since = datetime.now(UTC).timestamp()

    def pools() -> Counter[str]:
        mine = [one for one in load.tally.records(since) if one.at > since and one.context_class == context_class]
        return Counter(revisions[revision_of(one.fingerprint)] for one in mine if one.fingerprint)

    wait_for("new answers", lambda: pools().total() >= MANY, timeout=120)
    return pools()
