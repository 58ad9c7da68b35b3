"""Why a comparison of route tables has a rule of its own: requests that fail at each handover, counted both ways.

The routes are those that the operator writes, put by hand, many times, under far more requests than servers of language
models see. Straight: the filter of the rule becomes filters of its backends in one write, and back. By an idle rule: as
docs/gateway.md says. The first is only printed; of the second not one may fail.
"""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sampler_rollouts.cluster.routes import route_state
from sampler_rollouts.domain.pool import STANDARD
from sampler_rollouts.domain.render import Owner
from sampler_rollouts.domain.render_route import Backend, ClassRule, http_route
from sampler_rollouts.domain.route_plan import GatewayPlan, Parent

from local.gateway.install import Edge
from tests.support.gateways import routed_by
from tests.support.rollouts import Rollouts, manifest, synthetic_pool
from tests.support.waiting import wait_for

NAME, HOST = "handover", "handover.example"
TIMES = int(os.environ.get("HANDOVERS", "50"))
SETTLE = 0.5
"""Seconds between two writes: the operator leaves two."""
WORKERS = 4
OLD, NEW = "old-table", "new-table"


@pytest.fixture
def services(rollouts: Rollouts, images: dict[str, str], edge: Edge) -> list[str]:
    pools = [synthetic_pool(name, images["sampler"]) | {"replicas": 1} for name in ("a", "b")]
    made = manifest(NAME, pools)
    made["spec"]["routing"] = {"gateway": {**routed_by(edge), "hostnames": ["rollout.example"]}}
    rollouts.apply(made)
    rollouts.wait_condition(NAME, "Ready", timeout=180)
    return [f"{NAME}-{item['name']}-{item['revision']}" for item in rollouts.status(NAME)["stable"]["pools"]]


class Answers:
    """Status codes of requests that several connections send as fast as they can; ``0``: there was no answer."""

    def __init__(self, address: str) -> None:
        self._address, self._stop = address, threading.Event()
        self._counts = [Counter[int]() for _ in range(WORKERS)]

    @contextmanager
    def counting(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._ask, args=(counts,)) for counts in self._counts]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def counted(self) -> Counter[int]:
        return sum(self._counts, Counter[int]())

    def _ask(self, counts: Counter[int]) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=10)
        while not self._stop.is_set():
            try:
                connection.request("GET", "/v1/models", headers={"Host": HOST})
                answer = connection.getresponse()
                answer.read()
                counts[answer.status] += 1
            except (OSError, http.client.HTTPException):
                counts[0] += 1
                connection.close()
        connection.close()


@pytest.mark.timeout(1800)
def test_no_request_fails_where_an_idle_rule_takes_over(rollouts: Rollouts, services: list[str], edge: Edge) -> None:
    weights = dict.fromkeys(services, 500000)
    arms = (*(Backend(name, 499_999, OLD) for name in services), *(Backend(name, 1, NEW) for name in services))
    one, both = ClassRule(STANDARD, weights), ClassRule(STANDARD, {}, arms)
    one_idle, both_idle = ClassRule(STANDARD, weights, idle=True), ClassRule(STANDARD, {}, arms, idle=True)
    straight = [[one], [both]]
    by_idle_rule = [[one], [one, both_idle], [one_idle, both], [one, both_idle]]
    failed = {
        way: handed_over(rollouts, edge, states) for way, states in {"straight": straight, "idle": by_idle_rule}.items()
    }
    print(f"{TIMES} times each: straight {failed['straight']}, by an idle rule {failed['idle']}")  # noqa: T201
    assert set(failed["idle"]) == {200}


def handed_over(rollouts: Rollouts, edge: Edge, states: list[list[ClassRule]]) -> Counter[int]:
    """Codes of all answers while the route went through the states, many times."""
    write(rollouts, edge, states[0])
    answers = Answers(edge.url.removeprefix("http://"))
    with answers.counting():
        wait_for("answers", lambda: answers.counted()[200] > WORKERS, timeout=30)
        began = answers.counted()
        for _ in range(TIMES):
            for rules in (*states[1:], states[0]):
                write(rollouts, edge, rules)
    return answers.counted() - began


def write(rollouts: Rollouts, edge: Edge, rules: list[ClassRule]) -> None:
    """Put the route, and wait until the gateway says that it has taken it over, and a little more."""
    plan = GatewayPlan(parent_refs=[Parent(name=edge.name, namespace=edge.namespace)], hostnames=[HOST])
    route = http_route(Owner(rollouts.namespace, NAME, ""), plan, rules, OLD)
    route["metadata"] = {"name": "by-hand"}  # with our label it would be the operator's, and go
    rollouts.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(route))
    wait_for("the gateway", lambda: route_state(rollouts.get("httproute", "by-hand")).current, timeout=30)
    time.sleep(SETTLE)
