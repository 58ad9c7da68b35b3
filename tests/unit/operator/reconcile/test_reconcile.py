"""Whole reconciles: the real decision and evidence on a world in memory."""

from __future__ import annotations

import pytest
from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.cluster.errors import ConflictError, RefusedError, UnavailableError
from sampler_rollouts.domain.allowed import Allowed
from sampler_rollouts.reconcile.reconciler import Reconciler
from sampler_rollouts.reconcile.sampling import BoundedMetrics

from tests.support.kube.api import Write
from tests.unit.operator.cluster.builders import DEPLOYMENTS, builders_of_strangers
from tests.unit.operator.reconcile.world import (
    PATH,
    Inline,
    World,
    begin_bad,
    condition,
    established,
    events,
    image,
    refusing,
    spec,
)


@pytest.fixture
def world() -> World:
    return World()


async def test_what_is_gone_needs_nothing(world: World) -> None:
    assert (await world.reconcile()).gone
    assert world.api.writes == []


async def test_the_first_release_is_established_and_then_nothing_is_written_but_what_has_doubled(world: World) -> None:
    await established(world)
    writes = len(world.api.writes)
    await world.settle(10)

    assert len(world.api.writes) <= writes + 2
    assert set(world.api.writes[writes:]) <= {("PUT", f"{PATH}/status")}
    (deployment,) = world.api.kinds("deployments").values()
    assert deployment["spec"]["replicas"] == 2
    assert deployment["metadata"]["ownerReferences"][0]["uid"] == world.api.objects[PATH]["metadata"]["uid"]


async def test_status_is_written_before_any_child(world: World) -> None:
    world.declare(spec())
    await world.reconcile()

    assert world.api.writes[0] == ("PUT", f"{PATH}/status")
    assert len(world.api.writes) > 1


async def test_the_spec_is_never_written(world: World) -> None:
    await established(world)

    assert world.api.objects[PATH]["spec"] == spec()
    assert world.api.objects[PATH]["metadata"]["generation"] == 1
    assert not {"finalizers", "annotations"} & world.api.objects[PATH]["metadata"].keys()


async def test_a_good_release_is_promoted(world: World) -> None:
    old = await established(world)
    world.declare(spec("b"))
    await world.settle()

    assert world.status["stable"]["hash"] != old
    assert list(world.end_state()["deployments"].values()) == [2]
    assert "Promoted" in events(world)


async def test_a_bad_release_is_rolled_back_and_held(world: World) -> None:
    old = await established(world)
    world.traffic.bad_images.add(image("b"))
    world.declare(spec("b"))
    await world.settle()

    assert world.status["stable"]["hash"] == old
    assert len(world.status["failed"]) == 1
    assert list(world.end_state()["deployments"].values()) == [2]
    assert "RolledBack" in events(world)


async def test_a_dead_metrics_source_promotes_nothing_and_fails_nothing(world: World) -> None:
    old = await established(world)
    world.traffic.broken = RuntimeError("a bug in the adapter")
    world.declare(spec("b"))
    await world.settle(40)

    assert world.status["stage"] == "Progressing"
    assert world.status["stable"]["hash"] == old
    world.traffic.broken = None
    await world.settle()
    assert world.status["stable"]["hash"] != old


async def test_an_error_of_the_evaluation_keeps_no_abort_from_being_seen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object) -> None:
        raise ZeroDivisionError

    await established(world)
    monkeypatch.setattr("sampler_rollouts.reconcile.reconciler.evaluate", explode)
    world.declare(spec("b"))
    await world.settle(5)
    for pod in world.api.kinds("pods").values():
        if pod["image"] == image("b"):
            pod["status"]["containerStatuses"][0] |= {"restartCount": 3}
            pod["status"]["conditions"] = []
    await world.settle(20)

    assert world.status["history"][0]["result"] == "RolledBack"
    assert world.status["history"][0]["reason"] == "PodsFailing"


async def test_a_conflict_on_the_status_writes_nothing_else(world: World) -> None:
    """The decision was taken on what is no longer true."""
    world.declare(spec())

    def edited(write: Write) -> None:
        if write[0] == "PUT":
            raise ConflictError("edited")

    world.api.before_write = edited
    with pytest.raises(ConflictError):
        await world.reconcile()
    assert world.api.writes == []


async def test_a_refused_child_neither_stops_the_others_nor_the_pruning(world: World) -> None:
    """A rollback is not to wait for a quota."""
    await begin_bad(world)
    refusing(world, "services", RefusedError("quota"))
    for path in [path for path in world.api.objects if "/services/" in path]:
        del world.api.objects[path]
    await world.settle(20)

    assert world.status["history"][0]["result"] == "RolledBack"
    assert list(world.end_state()["deployments"].values()) == [2]
    assert "NotApplied" in events(world)


async def test_an_unavailable_server_is_not_asked_again_and_again(world: World) -> None:
    """Once for each kind of child: a kind may have a webhook of its own."""
    world.declare(spec())
    tried: list[Write] = []

    def down(write: Write) -> None:
        tried.append(write)
        if write[0] == "PATCH":
            raise UnavailableError("down")

    world.api.before_write = down
    with pytest.raises(UnavailableError):
        await world.reconcile()
    asked = [path.rsplit("/", 2)[1] for method, path in tried if method == "PATCH"]
    assert sorted(asked) == ["controllerrevisions", "deployments", "services"]


async def test_an_edit_of_a_child_is_put_back(world: World) -> None:
    await established(world)
    (name,) = world.api.kinds("deployments")
    world.api.edit(f"{DEPLOYMENTS}/{name}", lambda obj: obj["spec"].update(replicas=7))
    await world.reconcile()

    assert world.api.kinds("deployments")[name]["spec"]["replicas"] == 2


async def test_a_strangers_object_is_left_alone_and_said(world: World) -> None:
    world.declare(spec())
    await world.reconcile()
    (name,) = world.api.kinds("deployments")
    fresh = World()
    fresh.declare(spec())
    builders_of_strangers(fresh.api, name)
    for _ in range(3):
        await fresh.reconcile()

    assert fresh.api.kinds("deployments")[name]["spec"] == {"mine": True}
    assert "NotApplied" in events(fresh)


async def test_a_wrong_spec_is_said_in_status(world: World) -> None:
    """The API server refuses most; what passes it must not make the loop fail for ever."""
    world.declare({"pools": "nonsense"})
    await world.turn()

    assert any(c["type"] == "Stalled" and c["status"] == "True" for c in world.status["conditions"])
    assert world.api.kinds("deployments") == {}


async def test_a_deleted_rollout_is_left_to_the_garbage_collector(world: World) -> None:
    await established(world)
    world.api.objects[PATH]["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    writes = len(world.api.writes)
    await world.settle(3)

    assert len(world.api.writes) == writes


async def test_the_administrators_limits_hold(world: World) -> None:
    allowed = Allowed(images=("registry.example.com",))
    metrics = BoundedMetrics(world.traffic, ["default"], time_limit=1.0)
    world.reconciler = Reconciler(KubernetesCluster(world.api), metrics, Inline(), world.clock, allowed=allowed)
    world.declare(spec("a"))
    await world.turn()
    metrics.close()
    assert condition(world, "Stalled")[:2] == ("True", "InvalidSpec")
    assert "the administrator allows images of registry.example.com" in condition(world, "Stalled")[2]
    assert world.api.kinds("deployments") == {}
