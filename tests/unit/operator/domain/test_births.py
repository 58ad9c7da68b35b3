"""Which pods are a rollout's own, and since when (R14)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sampler_rollouts.domain.decision import ResourceMeta, question

from tests.unit.operator.domain.story import rolling
from tests.unit.operator.domain.world import START, World, established, passing, spec


def births(world: World) -> dict[str, object]:
    rollout = world.status.rollout
    assert rollout is not None
    return {birth.pod: birth.at for birth in rollout.births}


def test_a_pod_is_born_when_it_was_created_not_when_it_was_first_seen() -> None:
    world = established()
    world.update(spec("b"))
    world.tick()
    created = {pod.name: pod.created for pod in world.pods if pod.revision == world.revision_of("candidate")}
    world.tick(1200)
    assert births(world) == created


def test_a_pod_that_says_it_was_created_later_than_now_is_born_now() -> None:
    world = established()
    world.update(spec("b"))
    world.tick()
    for pod in world.pods:
        pod.created += timedelta(hours=1)
    world.tick()
    assert set(births(world).values()) == {world.now}


def test_pods_that_a_deleted_object_of_the_same_name_left_are_not_counted() -> None:
    """The garbage collector has not reached them yet: they are ready, and their counters are old."""
    world = established()
    world.run(30)
    left = {pod.name for pod in world.pods}
    world.recreate()
    world.tick()
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}
    world.tick()
    assert world.status.stage == "Establishing", "pods that are about to go do not make a release ready"
    assert not left & births(world).keys()
    world.until("Serving")
    asked = question(world.meta, world.spec, world.status, world.now)
    assert asked is not None
    assert all(len(arm.births) == 2 and not left & arm.births.keys() for arm in asked.arms)
    world.run(90)
    assert not left & {pod.name for pod in world.pods}
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}


def test_a_pod_created_in_the_very_second_of_its_object_is_its_own() -> None:
    """Both times are cut to whole seconds."""
    world = World(spec(), created=START + timedelta(seconds=5))
    world.tick()
    world.tick()
    assert len(births(world)) == 4


def test_an_object_deleted_in_mid_rollout_and_created_again_starts_as_a_first_release() -> None:
    world = rolling()
    world.judge = passing
    world.recreate()
    world.until("Serving")
    assert world.status.history[-1].result == "Established"
    assert {birth.pod for birth in world.status.rollout.births} == {
        pod.name for pod in world.pods if pod.orphaned is None
    }


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [("2026-11-23T12:00:00Z", START), (None, None), ("yesterday", None), (3, None), ("2026-11-23T12:00:00", None)],
)
def test_the_objects_own_age_is_read_from_its_metadata(stamp: object, expected: object) -> None:
    assert ResourceMeta.of({"name": "demo", "creationTimestamp": stamp}).created_at == expected
