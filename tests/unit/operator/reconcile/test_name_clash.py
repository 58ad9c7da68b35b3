"""Rollout ``a-b`` with pool ``c`` and rollout ``a`` with pool ``b-c``: with equal builds their children share names."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.cluster.kinds import RolloutKey
from sampler_rollouts.domain.decision.decide import LOOK_SECONDS

from tests.support.kube.api import copied
from tests.unit.operator.cluster.builders import DEPLOYMENTS, ROLLOUT_PATH
from tests.unit.operator.reconcile.world import World, image, spec

FIRST, SECOND = RolloutKey("serving", "a-b"), RolloutKey("serving", "a")


def declare(world: World, key: RolloutKey, pool: str) -> None:
    wanted = spec(pools=[{"name": pool, "replicas": 2, "image": image("a")}])
    body = {"apiVersion": "samplerrollouts.io/v1alpha1", "kind": "SamplerRollout", "spec": wanted}
    world.api.put(
        f"{ROLLOUT_PATH}/{key.name}",
        {**body, "metadata": {"name": key.name, "namespace": key.namespace, "generation": 1}},
    )


@pytest.fixture
async def world() -> World:
    """The first one is there; the second one comes."""
    world = World()
    declare(world, FIRST, "c")
    declare(world, SECOND, "b-c")
    await world.reconciler.reconcile(FIRST)
    return world


def mine(world: World, kind: str, key: RolloutKey) -> dict[str, Any]:
    uid = world.api.objects[f"{ROLLOUT_PATH}/{key.name}"]["metadata"]["uid"]
    owned = world.api.kinds(kind).items()
    return {name: one for name, one in owned if one["metadata"]["ownerReferences"][0]["uid"] == uid}


async def test_the_second_one_overwrites_and_prunes_nothing_of_the_first(world: World) -> None:
    before = copied({kind: mine(world, kind, FIRST) for kind in ("deployments", "services", "controllerrevisions")})
    for _ in range(5):
        assert (await world.reconciler.reconcile(SECOND)).requeue_after <= LOOK_SECONDS
        await world.reconciler.reconcile(FIRST)

    assert {kind: mine(world, kind, FIRST) for kind in before} == before
    assert mine(world, "deployments", SECOND) == {}
    assert list(mine(world, "services", SECOND)) == ["a-standard"]


async def test_the_second_one_says_who_is_in_its_way_and_what_to_do(world: World) -> None:
    for _ in range(2):
        await world.reconciler.reconcile(SECOND)
    (name,) = world.api.kinds("deployments")

    said = [event["note"] for event in world.api.kinds("events").values() if event["reason"] == "NotApplied"]
    words = (f"Deployment/{name}", "SamplerRollout/a-b controls it", "rename")
    assert any(all(word in note for word in words) for note in said)
    blocked = world.api.objects[f"{ROLLOUT_PATH}/a"]["status"]["pools"][0]["blocked"]
    assert all(word in blocked for word in words)


async def test_once_the_first_one_is_gone_the_second_one_goes_on(world: World) -> None:
    await world.reconciler.reconcile(SECOND)
    for path in list(world.api.objects):
        if path == f"{ROLLOUT_PATH}/a-b" or path.rsplit("/", 1)[1].startswith("a-b-"):
            del world.api.objects[path]
    await world.reconciler.reconcile(SECOND)

    (name,) = world.api.kinds("deployments")
    assert world.api.objects[f"{DEPLOYMENTS}/{name}"]["metadata"]["labels"]["samplerrollouts.io/pool"] == "b-c"
