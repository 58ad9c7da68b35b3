"""Stories of which release is gone for (R5, R20)."""

from __future__ import annotations

from typing import Any

from sampler_rollouts.domain.resource import ACT_PREFIX

from tests.unit.operator.domain.routed import GATEWAY, Routed
from tests.unit.operator.domain.story import bad, results, rolling
from tests.unit.operator.domain.world import established, passing, pool, spec


def test_a_third_release_replaces_the_candidate() -> None:
    world = rolling()
    second = world.revision_of("candidate")
    world.update(spec("c"))
    world.tick()
    assert world.status.stage == "Withdrawing"
    world.run(10)
    assert world.status.stage == "Progressing"
    assert world.revision_of("candidate") != second
    assert world.status.failed == []
    assert results(world) == ["Withdrawn", "Established"]
    world.judge = passing
    world.until("Serving")
    assert results(world)[0] == "Promoted"


def test_at_most_one_candidate_has_pods() -> None:
    world = rolling()
    for letter in "cdef":
        world.update(spec(letter))
        for _ in range(4):
            world.tick()
            alive = {pod.revision for pod in world.pods if pod.terminating_since is None}
            assert len(alive) <= 2


def test_going_back_to_stables_spec_ends_the_rollout_at_once() -> None:
    world = rolling()
    new = world.revision_of("candidate")
    world.update(spec("a"))
    world.tick()
    assert world.serving(new) == {}
    world.run(15)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert results(world) == ["Withdrawn", "Established"]
    world.update(spec("b"))
    world.run(30)
    assert world.status.stage == "Progressing"


def test_a_person_takes_a_release_back_to_the_verified_one_wherever_they_differ() -> None:
    """A, never verified, was replaced in its bake: it differs in the first pool, and the verified one in the second."""
    world = Routed(_two("a", "a"))
    world.judge = passing
    world.until("Serving")
    world.run(400)
    verified = world.status.stable.hash
    for first, second in (("b", "a"), ("a", "c")):
        world.update(_two(first, second))
        world.until("Progressing")
        world.until("Serving")
        world.run(30)
    assert world.status.verified.hash == verified
    warm = {row.name: row.warm.revision for row in world.status.pools if row.warm}
    assert warm == {"cpu-b": world.status.verified.revision("cpu-b")}
    world.annotations[f"{ACT_PREFIX}rollback"] = f"{world.status.stable.hash}:alice"
    world.tick()
    assert world.status.stable.hash == verified


def _two(first: str, second: str) -> dict[str, Any]:
    rollback = {"rollback": {"warmReplicas": 1}, "routing": {"gateway": GATEWAY}}
    return spec() | rollback | {"pools": [pool("cpu-a", first), pool("cpu-b", second)]}


def test_the_verified_release_comes_back_without_steps() -> None:
    world = established()
    world.run(400)
    assert world.condition("Verified") == ("True", "BakeTimeOver")
    first = world.revision_of("stable")
    world.judge = passing
    world.update(spec("b"))
    world.until("Serving")
    world.update(spec("a"))
    world.judge = bad(first)
    world.tick()
    assert world.status.stage == "Restoring"
    world.run(30)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert world.condition("Verified") == ("True", "BakeTimeOver")
    assert results(world)[0] == "Restored"
    assert world.serving(world.revision_of("stable")) == {"cpu-a": 2, "cpu-b": 2}


def test_the_release_just_replaced_comes_back_without_steps_during_the_bake() -> None:
    world = rolling()
    world.judge = passing
    world.until("Serving")
    assert world.status.verified is None
    world.update(spec("a"))
    world.run(30)
    assert results(world)[0] == "Restored"
    assert world.condition("Verified") == ("False", "Baking")
    world.update(spec("b"))
    world.tick()
    assert world.status.stage == "Progressing", "who left a release takes it up again with steps"


def test_a_restored_release_whose_pods_fail_is_rolled_back() -> None:
    world = rolling()
    world.judge = passing
    world.until("Serving")
    world.update(spec("a"))
    world.tick()
    world.crashing.add(world.revision_of("candidate"))
    world.run(60)
    assert world.condition("RolledBack") == ("True", "PodsFailing")
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}


def test_a_restored_release_that_is_no_longer_asked_for_is_withdrawn() -> None:
    world = rolling()
    world.judge = passing
    world.until("Serving")
    world.update(spec("a"))
    world.tick()
    world.update(spec("b"))
    world.run(30)
    assert world.condition("Ready") == ("True", "FullTraffic")
    assert results(world)[:2] == ["Withdrawn", "Promoted"]
