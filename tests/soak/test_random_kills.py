"""Rollouts while everything around them is killed at random: each ends right, and no request fails by our doing.

Good and bad releases in turn for SURVIVAL_MINUTES (default 60), while the operator, Prometheus, or a component of the
cluster is killed every few seconds; then a release whose servers crash after they were ready.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from local.cluster import Cluster
from local.demo.load import LoadGenerator
from local.demo.tally import OK, Record, failures_by_phase
from local.errors import LocalError
from tests.support.endpoints import Endpoints, Seen, may_be_starting, taken_away
from tests.support.faults import kill_component, kill_operator, kill_prometheus, kill_servers
from tests.support.rollouts import Rollouts, condition_of, manifest, synthetic_pool
from tests.support.waiting import wait_for

NAME = "survivor"
MINUTES = float(os.environ.get("SURVIVAL_MINUTES", "60"))
SEED = int(os.environ.get("SURVIVAL_SEED", "1"))
COMPONENTS = ("kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
Kill = tuple[float, str]
"""Unix seconds, and of what."""
KILLS: dict[str, Callable[[Cluster], None]] = {
    "operator": kill_operator,
    "prometheus": kill_prometheus,
    **{name: partial(kill_component, name=name) for name in COMPONENTS},
}
LIKELY = ("operator",) * 6
"""The operator is what is tested: it is killed as often as all the rest."""
CALM = (4.0, 15.0)
"""Seconds between a kill and the next."""
MOST_SECONDS = 600
STARTING = "HTTP 503 starting"
NOT_LISTENING = "ConnectError"
"""Of a server that has not got as far as that."""


def release(image: str, build: int) -> dict[str, Any]:
    made = manifest(
        NAME, [synthetic_pool(pool, image, SAMPLER_EXAMPLE_BUILD=str(build)) for pool in ("cpu-a", "cpu-b")]
    )
    made["spec"]["rollback"]["drainTimeout"] = "20s"
    return made


@pytest.fixture
def established(rollouts: Rollouts, images: dict[str, str]) -> Rollouts:
    rollouts.apply(release(images["sampler"], 0))
    rollouts.wait_condition(NAME, "Ready", timeout=180)
    return rollouts


@pytest.fixture
def load(established: Rollouts) -> Iterator[LoadGenerator]:
    with LoadGenerator(established.reached_service(NAME), model="synthetic", workers=4, api="completions") as generator:
        wait_for("a first answer", generator.tally.fingerprints, timeout=60)
        yield generator


@pytest.fixture
def endpoints(load: LoadGenerator, established: Rollouts) -> Iterator[Endpoints]:
    with Endpoints(established.namespace, f"{NAME}-standard") as watched:
        yield watched


@pytest.mark.timeout(4 * 3600)
def test_every_rollout_ends_right(
    cluster: Cluster, established: Rollouts, load: LoadGenerator, endpoints: Endpoints, images: dict[str, str]
) -> None:
    rollouts, chance, killed, build = established, random.Random(SEED), Counter[str](), 0
    kills: list[Kill] = []
    end = time.monotonic() + 60 * MINUTES
    while time.monotonic() < end:
        build += 1
        good = build % 2 == 1
        load.phase = f"release {build}, {'good' if good else 'bad'}"
        stable = rollouts.status(NAME)["stable"]["hash"]
        rollouts.apply(release(images["sampler" if good else "seeded:rare-token-boost"], build))
        deadline = time.monotonic() + MOST_SECONDS
        while not over(rollouts):
            assert time.monotonic() < deadline, look(rollouts)["status"]
            time.sleep(chance.uniform(*CALM))
            name = chance.choice([*KILLS, *LIKELY])
            kills.append((time.time(), name))
            KILLS[name](cluster)
            killed[name] += 1
        seen = look(rollouts)
        ended = seen["status"]
        assert ended["history"][0]["result"] == ("Promoted" if good else "RolledBack"), told(ended)
        assert (ended["stable"]["hash"] == stable) is not good
        if not good:
            assert "unexpected-script" in condition_of(seen, "Stalled")["message"]
        assert not failed_by_us(load.tally.records(), endpoints.seen, kills), beside(load, kills)
        assert endpoints.watching
        assert not taken_away(endpoints.seen, of_kubelets(kills)), beside(load, kills)
    early = sum(one.outcome != OK for one in load.tally.records())
    summary = f"{build} rollouts, {load.tally.count()} requests, {early} of them sent to starting servers by a kubelet"
    print(f"{summary}; killed: {dict(killed)}")  # noqa: T201


@pytest.mark.timeout(1200)
def test_servers_that_crash_after_they_were_ready_are_taken_back(
    established: Rollouts, load: LoadGenerator, images: dict[str, str]
) -> None:
    rollouts, stable = established, established.status(NAME)["stable"]["hash"]
    paused = release(images["sampler"], 1)
    paused["spec"]["strategy"]["steps"].append({"pause": {}})
    load.phase = "crash"
    rollouts.apply(paused)
    wait_for("the pause after the canary's step", lambda: rollouts.waits_for_person(NAME), timeout=240)
    revisions = {item["revision"] for item in rollouts.status(NAME)["candidate"]["pools"]}
    revisions -= {item["revision"] for item in rollouts.status(NAME)["stable"]["pools"]}

    def crashed() -> bool:
        pods = rollouts.get("pods")["items"]
        kill_servers(pod for pod in pods if pod["metadata"]["labels"]["samplerrollouts.io/revision"] in revisions)
        return rollouts.condition(NAME, "Stalled").get("status") == "True"

    wait_for("the rollback", crashed, timeout=400, every=2)
    stalled = rollouts.condition(NAME, "Stalled")
    assert stalled["reason"] == "RolledBack"
    status = rollouts.status(NAME)
    assert status["stable"]["hash"] == stable
    assert status["history"][0]["reason"] in {"PodsFailing", "CheckFailed"}
    load.phase = "after"
    asked = load.tally.count()
    wait_for("answers of stable", lambda: load.tally.count() > asked + 50, timeout=60)
    assert set(failures_by_phase(load.tally.records())) <= {"crash"}


def of_kubelets(kills: Sequence[Kill]) -> list[float]:
    """When a kubelet was killed."""
    return [at for at, name in kills if name == "kubelet"]


def failed_by_us(records: Sequence[Record], seen: Sequence[Seen], kills: Sequence[Kill]) -> list[Record]:
    """Requests that were not answered, but for those that a new kubelet sent to a server that was still starting.

    A Service without any endpoint refuses connections as well: a pod must have come among those that were there.
    """
    kubelets = of_kubelets(kills)

    def by_kubelet(one: Record) -> bool:
        early = one.detail == STARTING or one.detail.startswith(NOT_LISTENING)
        return early and may_be_starting(one.at, seen, kubelets)

    return [one for one in records if one.outcome != OK and not by_kubelet(one)]


def beside(load: LoadGenerator, kills: Sequence[Kill]) -> str:
    """When requests failed, and what was killed when."""
    failed = [f"{one.at:.1f} {one.outcome} {one.detail}" for one in load.tally.records() if one.outcome != OK]
    return "\n".join(["failed requests:", *failed, "kills:", *(f"{at:.1f} {name}" for at, name in kills)])


def told(status: dict[str, Any]) -> str:
    """How it ended, as a whole: pytest would cut an object short."""
    return json.dumps(status["history"][0], indent=1)


def look(rollouts: Rollouts) -> dict[str, Any]:
    """The SamplerRollout, as soon as an API server gives it: one that was killed says nothing for a while."""

    def found() -> dict[str, Any] | None:
        try:
            return rollouts.get("samplerrollout", NAME)
        except LocalError:
            return None

    return wait_for("the API server's answer", found, timeout=60) or {}


def over(rollouts: Rollouts) -> bool:
    """Whether the rollout has ended, one way or the other."""
    seen = look(rollouts)
    return any(condition_of(seen, kind).get("status") == "True" for kind in ("Ready", "Stalled"))
