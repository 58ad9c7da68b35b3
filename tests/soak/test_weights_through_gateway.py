"""Many changes of weight and many rollbacks through a real gateway under a steady load: not one request fails.

Every other release is a bad one, which a check takes back; the others are good, go through all weights, and are taken
back by a person at the last. The gateway's controller is killed again and again meanwhile. Says how long it took from
the scrape that decided a rollback, by the store's own times, to the last request that was sent to the candidate, by
Envoy's own book.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sampler_rollouts.domain.resource import ACT_PREFIX

from local.cluster import Cluster
from local.demo.load import LoadGenerator
from local.demo.tally import failures_by_phase
from local.gateway.install import SYSTEM, Edge
from tests.support.gateways import Sent, routed_release, sent, steady_load
from tests.support.rollouts import Rollouts
from tests.support.waiting import wait_for

NAME = "soaked"
WEIGHTS = tuple(range(5, 100, 10))
CHANGES = int(os.environ.get("WEIGHT_CHANGES", "200"))
ROLLBACKS = int(os.environ.get("ROLLBACKS", "20"))
KILL_EVERY = 4
MOST_SECONDS = 3.0
"""From the deciding scrape to the last request that is sent to the candidate."""
GOOD, BAD = "sampler", "seeded:rare-token-boost"


def release(image: str, build: int, edge: Edge) -> dict[str, Any]:
    made = routed_release(NAME, image, str(build), edge)
    made["spec"]["strategy"]["steps"] = [
        *({"weight": weight, "minDuration": "1s"} for weight in WEIGHTS),
        {"pause": {}},
    ]
    return made


@pytest.fixture
def established(rollouts: Rollouts, images: dict[str, str], edge: Edge) -> Rollouts:
    rollouts.apply(release(images["sampler"], 0, edge))
    rollouts.wait_condition(NAME, "Ready", timeout=180)
    return rollouts


@pytest.fixture
def load(established: Rollouts, edge: Edge) -> Iterator[LoadGenerator]:
    with steady_load(edge) as generator:
        yield generator


@pytest.mark.timeout(7200)
def test_no_request_fails_whatever_the_weights_do(
    cluster: Cluster, established: Rollouts, load: LoadGenerator, images: dict[str, str], edge: Edge
) -> None:
    rollouts, began = established, datetime.now(UTC)
    generation, times, builds = _generation(rollouts), dict[str, list[float]](), 0
    while _generation(rollouts) - generation < CHANGES or builds < 2 * ROLLBACKS:
        builds += 1
        kind = BAD if builds % 2 else GOOD
        load.phase = f"release {builds}, {kind}"
        since = datetime.now(UTC)
        rollouts.apply(release(images[kind], builds, edge))
        candidate = wait_for("the candidate's pods", lambda: _addresses(rollouts), timeout=120)
        if builds % KILL_EVERY == 0:
            cluster.kubectl("delete", "pod", "-n", SYSTEM, "-l", "control-plane=envoy-gateway", "--wait=false")
        while rollouts.condition(NAME, "Stalled").get("reason") != "RolledBack":
            candidate |= _addresses(rollouts)
            if kind == GOOD and rollouts.waits_for_person(NAME):
                _abort(rollouts)
            assert (datetime.now(UTC) - since).total_seconds() < 400, rollouts.status(NAME)
        book = sent(cluster, edge, since)
        assert [one for one in book if one.failed] == []
        decided = _decided_at(rollouts, since, "unexpected-script" if kind == BAD else "a person asked for it")
        if kind == BAD:  # a person decides by no scrape
            decided = _newest_scrape(cluster, rollouts, decided)
        seconds = _seconds_after(decided, [one for one in book if one.server in candidate])
        times.setdefault(kind, []).append(seconds)
        print(f"{load.phase}: {seconds:.2f} s", flush=True)  # noqa: T201
        assert failures_by_phase(load.tally.records()) == {}
    written = _generation(rollouts) - generation
    print(f"{written} writes of the route, {builds} rollbacks, {load.tally.count()} requests")  # noqa: T201
    for kind, found in times.items():
        print(f"{kind}, to the last request: {', '.join(f'{one:.2f}' for one in sorted(found))} s")  # noqa: T201
    assert [one for one in sent(cluster, edge, began) if one.failed] == []
    assert max(times[BAD]) <= MOST_SECONDS


def _abort(rollouts: Rollouts) -> None:
    release = (rollouts.status(NAME).get("candidate") or {}).get("hash")
    if release:
        rollouts.kubectl("annotate", "samplerrollout", NAME, f"{ACT_PREFIX}abort={release}", "--overwrite")


def _generation(rollouts: Rollouts) -> int:
    return int(rollouts.get("httproute", NAME)["metadata"]["generation"])


def _addresses(rollouts: Rollouts) -> set[str]:
    """Of the candidate's pods, as far as they are known."""
    status = rollouts.status(NAME)
    revisions = {item["revision"] for item in (status.get("candidate") or {}).get("pools", [])}
    stable = {item["revision"] for item in status["stable"]["pools"]}
    pods = rollouts.get("pods")["items"]
    mine = (pod for pod in pods if pod["metadata"]["labels"]["samplerrollouts.io/revision"] in revisions - stable)
    return {pod["status"]["podIP"] for pod in mine if pod["status"].get("podIP")}


def _decided_at(rollouts: Rollouts, since: datetime, why: str) -> datetime:
    events = [one for one in rollouts.get("events.events.k8s.io")["items"] if one["reason"] == "RolledBack"]
    newest = max(events, key=lambda one: datetime.fromisoformat(one["eventTime"]))
    assert why in newest["note"], newest["note"]
    at = datetime.fromisoformat(newest["eventTime"])
    assert at >= since, newest
    return at


def _newest_scrape(cluster: Cluster, rollouts: Rollouts, decided: datetime) -> datetime:
    """When the newest samples were taken that the decision can have known of, of any pod of the candidate."""
    revisions = {item["revision"] for item in rollouts.status(NAME)["history"][0]["pools"]}
    chosen = f'{{namespace="{rollouts.namespace}",rollout="{NAME}",revision=~"{"|".join(revisions)}"}}'
    address = cluster.kubectl.get("service", "prometheus", namespace="monitoring")["spec"]["clusterIP"]
    answer = httpx.get(
        f"http://{address}:9090/api/v1/query",
        params={"query": f"sampler_quality_checked_total{chosen}[30s]", "time": decided.timestamp()},
        trust_env=False,
    )
    result = answer.raise_for_status().json()["data"]["result"]
    return datetime.fromtimestamp(max(time for one in result for time, _ in one["values"]), UTC)


def _seconds_after(decided: datetime, to_candidate: list[Sent]) -> float:
    """When the last request was sent to it, after that."""
    assert to_candidate, "the candidate had no request at all"
    return max(0.0, (max(one.at for one in to_candidate) - decided).total_seconds())
