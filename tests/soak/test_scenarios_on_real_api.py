"""The scenarios on a real API server: the same stories, the same clock, the same samples, the same course of things.

Each is told twice, over the server in memory and over a real one, and must go the same way: stages, weights, turning
points of ready pods, the operator's writes in order, breaches, the seconds it takes, and where it ends. What differs is
a fault of the server in memory, and belongs into ``tests/support/kube``, with a case.

ALWAYS are told in each run: together they take every transition of docs/rollout.md, and touch each kind of object. More
are chosen by REAL_SEED, until there are REAL_SCENARIOS (80; ``all`` takes every one). Some seconds each.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from sampler_rollouts.cluster import transport
from sampler_rollouts.domain.decision import transitions
from sampler_rollouts.domain.decision.transitions import Trigger
from sampler_rollouts.domain.status import Stage

from tests.support.kube.real import RealApi
from tests.support.scenarios.comparing import Real, differences
from tests.support.scenarios.telling import SCENARIOS, Scenario, Told, told
from tests.unit.operator.scenarios.stories import ALL

SEED = int(os.environ.get("REAL_SEED", "1"))
SCENARIOS_HERE = os.environ.get("REAL_SCENARIOS", "80")
PATIENCE = 60.0
"""Seconds for an answer: a busy machine is no outage."""

PRUNED = "a server prunes what no definition knows: the field that nobody can read never comes to be there"
NOT_HERE = {"scaling: with a spec that nobody can read the autoscaler is heard all the same": PRUNED}
"""By name, why a scenario cannot be told on a real server."""

ALWAYS = (
    # Every transition.
    "a first release comes up and is verified",
    "a first release whose pods crash is replaced",
    "the status is wiped while one release serves",
    "a good release goes through its steps",
    "bad at the first step",
    "bad while holding",
    "pods that crash at the first step",
    "pods that crash while the candidate is held",
    "pods that cannot be scheduled hold, and go on by themselves",
    "pods that cannot be scheduled, where the author wants a rollback",
    "pods that no node has taken up",
    "a bad build fails its preflight before any traffic",
    "a preflight that takes too long holds, and goes on when it answers",
    "a preflight that fails after its time is still heard",
    "a third release in mid-rollout replaces the candidate",
    "a retry while holding starts at the first wave",
    "the operator is away beyond the deadline",
    "scope Pool: the pool that fails goes back, the one beside it goes on",
    "scope Pool: a pool fails while the release holds, and it goes on without it",
    "a person aborts a release: it goes from every pool and is held",
    "a person aborts what is held",
    "a person aborts a release that comes back",
    "a person takes back what serves, in its bake time",
    "back to the replaced release in the bake, without steps",
    "a restored release whose pods crash is rolled back",
    "a restored release is no longer asked for",
    "what serves turns bad in its bake, in a pool that the candidate does not touch",
    "bad in its bake while the preflight of the next release holds",
    "what serves turns bad in its bake, beside a candidate that is held",
    "warm: bad in the bake: what stands by serves before any other pod is up",
    "neither scaling nor deleting is allowed, and a better build is heard all the same",
    "stable does not come up, and a fix is heard",
    "a candidate that is taken back does not go, and the next one comes all the same",
    "stable does not come up when a candidate is taken back, and the next one is heard",
    # Every kind of object, and what only a server decides: owners of fields, finalizers, admission, graceful ends.
    "an autoscaler scales stable's Deployment up: it is put back",
    "the Service that users call is deleted",
    "the record of a revision is deleted",
    "reads of Deployments are five seconds old, and the build is bad",
    "bad after somebody has changed a Deployment: who, and when, is told",
    "deleted while serving, children first",
    "deleted in a step",
    "deleted and created again at once, with another build",
    "pods that are evicted before they are ready, again and again, hold, and go on by themselves",
    "a quota refuses the pods of the second step",
    "git: a revert in mid-rollout takes the candidate away",
    "budgets: each revision that serves has one",
    "classes: bad in both at once",
    "gateway: a bad release loses its requests, then its pods",
    "gateway: a stranger sends half of the requests elsewhere: it is put back",
    "table: a bad table goes back by the route alone, and is held",
    "scaling: an autoscaler scales what serves up and down",
    "scaling: a person deletes the SamplerPool: it comes back as it was",
    "a template that is missing holds a rollout until the admin creates it",
)


def chosen() -> list[Scenario]:
    """Those of this run."""
    here = {one.name: one for one in ALL if one.name not in NOT_HERE}
    if SCENARIOS_HERE == "all":
        return list(here.values())
    more = [name for name in here if name not in ALWAYS]
    random.Random(SEED).shuffle(more)
    return [here[name] for name in (*ALWAYS, *more[: max(0, int(SCENARIOS_HERE) - len(ALWAYS))])]


class Table(dict[Any, Any]):
    """The transition table, which remembers what was taken of it."""

    def __init__(self, table: Mapping[Any, Any]) -> None:
        super().__init__(table)
        self.taken: set[Any] = set()

    def __getitem__(self, key: Any) -> Any:
        self.taken.add(key)
        return super().__getitem__(key)


@pytest.fixture(scope="module")
def real() -> Iterator[Real]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", "")  # put back afterwards
        patch.setattr(transport, "READ_TIMEOUT", PATIENCE)
        made = Real()
        try:
            made.start()
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    with pytest.MonkeyPatch.context() as patch:
        made = Table(transitions.TABLE)
        patch.setattr(transitions, "TABLE", made)
        yield made


def test_what_is_named_is_there() -> None:
    assert not {*ALWAYS, *NOT_HERE} - SCENARIOS.keys()
    assert not {*ALWAYS} & NOT_HERE.keys()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("one", chosen(), ids=lambda one: one.name)
def test_it_goes_as_in_memory(real: Real, table: Table, one: Scenario) -> None:
    taken = set(table.taken)
    in_memory = told(one)
    table.taken = taken  # only what was taken on the real server counts
    found = real.tell(one)
    assert found.breaches == []
    assert differences(in_memory, found) == []


def test_every_transition_was_taken_there(table: Table, request: pytest.FixtureRequest) -> None:
    told_here = {item.name for item in request.session.items}
    if any(f"test_it_goes_as_in_memory[{name}]" not in told_here for name in ALWAYS):
        pytest.skip("only a part of ALWAYS was told")
    assert set(table) - table.taken == set()


class Loses(RealApi):
    """One write of a Deployment never comes to the server, which says that it did."""

    lost = False

    def answer(self, method: str, path: str, **more: Any) -> Any:
        live = self.objects.get(path)
        if not self.lost and method == "PATCH" and "/deployments/" in path and live is not None:
            self.lost = True
            return live
        return super().answer(method, path, **more)


def losing(real: Real, one: Scenario) -> Told:
    """On a server that loses a write."""
    return told(one, server=lambda clock: Loses(clock, real.watched))


def mistaken(real: Real, one: Scenario) -> Told:
    """By an operator that does not hold what was found bad."""
    with pytest.MonkeyPatch.context() as patch:
        wrong = {(Stage.PROGRESSING, Trigger.CHECK_FAILED): Stage.WITHDRAWING}
        patch.setattr(transitions, "TABLE", {**transitions.TABLE, **wrong})
        return real.tell(one)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("tell", [losing, mistaken])
def test_what_goes_otherwise_there_is_found_out(real: Real, tell: Callable[[Real, Scenario], Told]) -> None:
    one = SCENARIOS["bad at the first step"]
    try:
        found = tell(real, one)
    except AssertionError:  # it waited in vain
        return
    assert differences(told(one), found)
