"""What must never be seen is seen: each is brought about once, by an operator with a seeded bug or by the cluster."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.cluster.adapter import Children
from sampler_rollouts.domain.outcome import Manifest, Outcome
from sampler_rollouts.domain.render import LABEL_REVISION
from sampler_rollouts.handlers import loop
from sampler_rollouts.reconcile import reconciler
from sampler_rollouts.reconcile.correct import Written
from sampler_rollouts.reconcile.ports import Cluster
from sampler_rollouts.reconcile.reconciler import Reconciler

from tests.support.kube.lives import NEVER_READY
from tests.support.scenarios.faults import Kind
from tests.support.scenarios.language import Given, When
from tests.support.scenarios.process import Standing
from tests.support.scenarios.story import Story
from tests.support.scenarios.telling import SCENARIOS, told
from tests.support.scenarios.world import NAMESPACE, RUNNER, World
from tests.unit.operator.scenarios.crashes import Case, calm, failure
from tests.unit.operator.scenarios.stories import ALL

BAD = "bad at the first step"
NO_SERVER = "a class without a server"
ROUTE = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes/chat"
TWO: dict[str, Any] = {"pools": ("std", "big"), "classes": {"std": "standard", "big": "long"}, "gateway": "edge"}


def begun(**wanted: Any) -> Story:
    """``a`` serves, and no operator is there to mend what happens next."""
    story = Story(World())
    Given(story).serving("a", **wanted)
    story.world.die()
    return story


def seen(story: Story, seconds: int = 3) -> list[str]:
    """The breaches, without their times."""
    for _ in range(seconds):
        story.world.tick()
    return [said.partition(",")[0] for said in story.world.watching.breaches]


@pytest.fixture
def every_second_look_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying again is all that the loop does about it: each story goes on to its end."""
    begun()  # what serves at the beginning has no part in it
    assert ALL
    assert calm(BAD).breaches == []
    real, looks = Reconciler._go_on, [0]

    async def go_on(self: Reconciler, *args: Any, **named: Any) -> Any:
        looks[0] += 1
        if looks[0] % 2 == 0:
            raise KeyError("seeded")
        return await real(self, *args, **named)

    monkeypatch.setattr(Reconciler, "_go_on", go_on)


@pytest.mark.usefixtures("every_second_look_fails")
def test_an_error_that_a_retry_hides() -> None:
    breaches = told(SCENARIOS[BAD]).breaches
    assert "a reconcile ended as error" in breaches[0] + breaches[1]
    assert "an error in the operator" in breaches[0]
    assert any("KeyError: 'seeded' (go_on, test_watching.py:" in said for said in breaches)


@pytest.mark.usefixtures("every_second_look_fails")
def test_an_error_after_a_fault() -> None:
    assert "KeyError" in failure(Case(BAD, Kind.CONFLICT, 0))


def test_an_error_in_a_part_of_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator takes it for data that it has not got."""
    begun()

    def evaluate(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(reconciler, "evaluate", evaluate)
    story = Story(World())
    Given(story).serving("a")
    When(story).spec_asks_for("b")
    assert "an error in the operator" in seen(story, 10)


def test_a_look_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    begun()
    monkeypatch.setattr(loop, "RECONCILE_LIMIT", 0.0)
    story = Story(World())
    Given(story).serving("a")
    seen(story)
    assert any("a reconcile ended as cut_off" in said for said in story.world.watching.breaches)


def test_a_story_that_stood_still_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the crash table, where the faults at a write have processes of their own in the middle of a look."""
    before = RUNNER.get_loop().time()
    monkeypatch.setattr(Standing, "stood", Standing.stood + 600)
    assert RUNNER.get_loop().time() < before


def test_an_operator_that_deletes_what_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The garbage collector takes the pods: no ReplicaSet ever had one too many."""
    begun()
    real = reconciler.correct

    def correct(cluster: Cluster, rollout: Manifest, outcome: Outcome, children: Children) -> Written:
        candidate = outcome.status.candidate
        new = {item.revision for item in candidate.pools} if candidate else set()
        for child in children.live if new else ():
            if child["kind"] == "Deployment" and child["metadata"]["labels"][LABEL_REVISION] not in new:
                cluster.delete(rollout, child)
        return real(cluster, rollout, outcome, children)

    monkeypatch.setattr(reconciler, "correct", correct)
    story = Story(World())
    Given(story).serving("a")
    When(story).spec_asks_for("b")
    assert NO_SERVER in seen(story, 10)


def test_pods_that_the_collector_takes() -> None:
    story = begun()
    When(story).somebody_deletes("deployments", "a")
    assert seen(story) == [NO_SERVER]


def test_pods_that_are_not_ready_any_more() -> None:
    """Each is still there: nothing was scaled, nothing was deleted."""
    story = begun()
    When(story).pods_of("a", NEVER_READY)
    assert NO_SERVER in seen(story)
    assert len(story.world.api.kinds("pods")) == 4


def test_pods_that_lose_their_gate() -> None:
    story, gates = begun(), [{"conditionType": "samplerrollouts.io/serving"}]
    for path in [path for path in story.world.api.objects if "/pods/" in path]:
        story.world.api.edit(path, lambda pod: pod["spec"].update(readinessGates=gates))
    assert seen(story) == [NO_SERVER]


def test_the_service_that_users_call() -> None:
    story = begun()
    When(story).somebody_deletes_the_service()
    assert seen(story) == [NO_SERVER]


def test_a_class_beside_another_that_is_served() -> None:
    story = begun(**(TWO | {"gateway": ""}))
    When(story).somebody_deletes("deployments", "a", pool="big")
    assert seen(story) == [NO_SERVER]
    assert "long has none by its Service" in story.world.watching.breaches[0]


def test_a_route_of_one_class() -> None:
    story = begun(**TWO)
    When(story).somebody_deletes("deployments", "a", pool="big")
    assert set(seen(story)) == {NO_SERVER, "a route to nobody"}
    assert "long has none by its route" in "".join(story.world.watching.breaches)


@pytest.mark.parametrize("pool", ["std", "big"])
def test_a_rule_that_sends_requests_of_one_class_to_the_other(pool: str) -> None:
    story = begun(**TWO)
    (wrong,) = (name for name in story.own("services") if f"-{pool}-" in name)

    def mix(route: Any) -> None:
        for rule in route["spec"]["rules"]:
            if not any(one["name"] == wrong for one in rule["backendRefs"]):
                rule["backendRefs"].append({**rule["backendRefs"][0], "name": wrong})

    story.world.api.edit(ROUTE, mix, "somebody")
    assert set(seen(story)) == {"a server of another class"}


def test_a_rule_that_is_gone() -> None:
    """Requests of its class go where those without one go."""
    story = begun(**TWO)
    story.world.api.edit(ROUTE, lambda route: route["spec"]["rules"].pop(), "somebody")
    assert set(seen(story)) == {"a server of another class", NO_SERVER}


def test_what_happens_first_in_a_story() -> None:
    story = begun()
    When(story).somebody_scales("a", 0)
    assert set(seen(story, 1)) == {"no server left", NO_SERVER}
    assert story.world.watching.ready == {"chat/cpu/a": [4, 0]}


def test_what_comes_in_one_moment_has_come() -> None:
    story = Story(World())
    Given(story).nothing(replicas=1)
    When(story).spec_asks_for("a")
    seen(story, 10)
    assert story.world.watching.ready == {"chat/cpu/a": [0, 1]}
