"""How many servers a pool has: a number of the spec, or an autoscaler's, and what becomes of the arms of a rollout."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.operator.domain.routed import routed, serving, shares
from tests.unit.operator.domain.story import results, rolling
from tests.unit.operator.domain.world import World, established, failing, passing, spec

POOL = "cpu-a"
QUICK = {"strategy": {"steps": [{"weight": 50, "minDuration": "30s"}]}}


def unowned(made: dict[str, Any], *names: str) -> dict[str, Any]:
    """The spec without replicas, of some pools or of all."""
    for pool in made["pools"]:
        if not names or pool["name"] in names:
            pool.pop("replicas", None)
    return made


def at_half(**more: Any) -> World:
    """Four servers of an autoscaler's, two of them a candidate's."""
    world = rolling(replicas=4, **more)
    world.update(unowned(spec("b", replicas=4, **more)))
    world.tick()
    assert told(world) == (2, 2)
    return world


def told(world: World) -> tuple[int, int]:
    """How many pods the candidate's and stable's Deployments have been told to have."""
    found = {one.revision: one.replicas for one in world.observe().workloads if one.pool == POOL}
    return found.get(world.revision_of("candidate"), 0), found.get(world.revision_of("stable"), 0)


def scales(world: World) -> dict[str, tuple[int, int]]:
    """What each SamplerPool asks for, and has."""
    found = {name: body for (kind, name), body in world.children.items() if kind == "SamplerPool"}
    return {name: (body["spec"]["replicas"], body["status"]["replicas"]) for name, body in found.items()}


def test_a_pool_without_replicas_has_a_samplerpool_and_no_other_has() -> None:
    world = World(unowned(spec(), POOL))
    world.until("Serving")
    world.tick()
    assert scales(world) == {"demo-cpu-a": (1, 1)}
    body = world.children["SamplerPool", "demo-cpu-a"]
    assert body["metadata"]["ownerReferences"][0]["uid"] == "uid-1"
    assert body["status"]["selector"] == (
        "samplerrollouts.io/rollout=demo,samplerrollouts.io/pool=cpu-a,!samplerrollouts.io/component"
    )
    assert {row.name: row.autoscaled for row in world.status.pools} == {"cpu-a": True, "cpu-b": False}


def test_what_an_autoscaler_asks_for_is_no_release() -> None:
    world = established(replicas=3)
    release = world.status.stable.hash
    world.update(unowned(spec(replicas=3)))
    world.run(20)
    world.scale(POOL, 5)
    world.run(20)
    assert world.serving() == {"cpu-a": 5, "cpu-b": 3}
    assert world.status.stable.hash == release
    assert results(world) == ["Established"]
    assert scales(world) == {"demo-cpu-a": (5, 5), "demo-cpu-b": (3, 3)}


def test_a_number_of_the_spec_holds_whatever_a_samplerpool_asks_for() -> None:
    world = established(replicas=3)
    world.update(unowned(spec(replicas=3)))
    world.tick()
    world.undeletable = True
    world.scale(POOL, 7)
    world.update(spec(replicas=2))
    world.run(30)
    assert world.serving() == {"cpu-a": 2, "cpu-b": 2}
    assert world.status.scales, "it is still there, and looked for"
    world.undeletable = False
    world.run(30)
    assert scales(world) == {}
    assert not world.status.scales


@pytest.mark.parametrize("lost", ["unreadable", "gone"])
def test_a_samplerpool_that_cannot_be_read_leaves_the_count_as_it_was(lost: str) -> None:
    world = at_half()
    world.scale(POOL, 6)
    world.run(30)
    assert told(world) == (3, 3)
    if lost == "gone":
        del world.children["SamplerPool", "demo-cpu-a"]
    else:
        world.scales_readable = False
    for _ in range(5):
        world.tick()
        assert told(world) == (3, 3)
    assert scales(world)["demo-cpu-a"] == (6, 6)


def test_more_servers_in_mid_step_are_given_to_both_arms_and_to_neither_for_a_moment() -> None:
    """Stable makes up for candidate pods that are not ready, but not for those that are yet to come."""
    world = at_half()
    world.scale(POOL, 8)
    seen = set()
    for _ in range(12):
        world.tick(2)
        seen.add(told(world))
    assert seen == {(2, 4), (4, 4)}, "stable first, and never more than its half"
    assert world.status.pool(POOL).covered == 0


def test_what_was_there_is_made_up_for_while_more_are_to_come() -> None:
    world = at_half()
    world.scale(POOL, 8)
    new = world.revision_of("candidate")
    world.unready = {pod.name for pod in world.pods if (pod.pool, pod.revision) == (POOL, new)}
    world.tick(2)
    world.tick(2)
    assert told(world)[1] == 4, "four served before, and do now: two of stable and two that are to come"
    world.unready = set()
    world.run(60)
    assert told(world) == (4, 4)
    world.unready = {pod.name for pod in world.pods if (pod.pool, pod.revision) == (POOL, new)}
    world.tick(2)
    assert told(world)[1] == 8, "once all have been ready all are made up for"


def test_more_servers_at_full_traffic_bring_nothing_of_stable_back() -> None:
    world = at_half(**QUICK)
    world.judge = passing
    while told(world) != (4, 0):
        world.tick(2)
        assert world.status.stage == "Progressing"
    world.scale(POOL, 9)
    while world.status.stage == "Progressing":
        world.tick(2)
        assert world.status.stage == "Serving" or told(world) == (9, 0)
    world.run(20)
    assert world.serving()[POOL] == 9


def test_fewer_servers_in_mid_step_leave_one_of_each_arm() -> None:
    world = at_half()
    for count in (2, 1):
        world.scale(POOL, count)
        world.run(20)
        assert told(world) == (1, 1)
        assert world.serving()[POOL] == 2
        assert scales(world)["demo-cpu-a"] == (count, 2)


def test_scaling_forgets_no_birth_and_no_verdict() -> None:
    world = at_half(**{"strategy": {"steps": [{"weight": 50, "minDuration": "10m"}]}})
    world.judge = passing
    world.run(30)
    passed, births = world.status.pool(POOL).passed_at, {one.pod for one in world.status.rollout.births}
    assert passed is not None
    for count in (8, 3, 6):
        world.scale(POOL, count)
        world.run(30)
    assert world.status.pool(POOL).passed_at == passed
    assert births <= {one.pod for one in world.status.rollout.births}
    assert world.status.rollout.weight == 50


def test_during_a_rollback_more_servers_are_stables_and_hold_up_no_pod_of_the_candidate() -> None:
    """Half of what the pool has had lets it go; half of what is asked for now may be far away."""
    world = at_half()
    world.unready = {pod.name for pod in world.pods if pod.revision == world.revision_of("stable")}
    world.judge = failing()
    world.tick(2)
    assert world.status.stage == "RollingBack"
    before = told(world)[0]
    world.scale(POOL, 16)
    world.tick(2)
    assert told(world)[1] == 16
    assert told(world)[0] <= before
    world.unready = set()
    world.tick(2)
    assert told(world)[0] == 0, "two of four serve: nobody needs the candidate's for want of eight"


def behind_a_gateway() -> World:
    """One server of each arm; here no count of the candidate ever falls as the pool grows."""
    world = serving(unowned(routed("a")))
    world.update(unowned(routed("b")))
    world.run(25)
    assert told(world) == (1, 1)
    return world


def test_growing_again_and_again_blames_no_pod_and_no_cluster() -> None:
    """Each new pod has its whole time: a pool that grows for longer than that is not one that cannot start."""
    world = behind_a_gateway()
    counts = iter(range(4, 90, 2))
    for second in range(0, 400, 5):
        if second % 20 == 0:
            world.scale(POOL, next(counts))
        world.blocked = {world.revision_of("candidate"): "ContainerCreating"}
        for pod in world.pods:
            pod.was_ready = pod.was_ready or (world.now - pod.created).total_seconds() > 30
        world.tick(5)
        assert world.status.stage == "Progressing", world.message("Ready")
    assert told(world) == (21, 42)


def test_growing_again_and_again_excuses_no_pod_that_is_never_ready() -> None:
    world = behind_a_gateway()
    (sick,) = (pod.name for pod in world.pods if (pod.pool, pod.revision) == (POOL, world.revision_of("candidate")))
    world.unready = {sick}
    for count in range(2, 26):
        world.scale(POOL, count)
        world.run(15)
    assert world.condition("RolledBack") == ("True", "PodsFailing")
    assert sick in world.message("RolledBack")


def test_behind_a_gateway_a_candidates_servers_are_not_counted_beside_those_that_are_asked_for() -> None:
    """Who divides a sum by what there is would ask for more because a candidate is there."""
    world = serving()
    world.update(unowned(routed("b")))
    world.judge = passing
    most = 0
    for _ in range(40):
        world.tick()
        here = {count for name, count in scales(world).items() if name == "demo-cpu-a"}
        assert here == {(2, 2)}, here
        most = max(most, world.serving().get(POOL, 0))
    assert most > 2
    assert results(world)[0] == "Promoted"


def test_of_a_class_a_pool_has_more_requests_once_its_new_servers_are_there() -> None:
    """It was scaled because it has too many already."""
    world = serving(unowned(routed("a")))
    for name in ("cpu-a", "cpu-b"):
        world.scale(name, 2)
    world.run(30)
    assert shares(world) == {("cpu-a", "stable"): 0.5, ("cpu-b", "stable"): 0.5}
    world.scale(POOL, 6)
    world.tick(2)
    world.tick(2)
    assert told(world)[1] == 6
    assert shares(world) == {("cpu-a", "stable"): 0.5, ("cpu-b", "stable"): 0.5}
    world.run(20)
    assert shares(world) == {("cpu-a", "stable"): 0.75, ("cpu-b", "stable"): 0.25}
    world.scale(POOL, 1)
    world.tick(2)
    assert shares(world) == {("cpu-a", "stable"): 1 / 3, ("cpu-b", "stable"): 2 / 3}, (
        "what goes has its requests no more"
    )


def test_a_candidates_servers_beside_stables_are_none_that_have_come() -> None:
    world = serving(unowned(routed("a")))
    for name in ("cpu-a", "cpu-b"):
        world.scale(name, 4)
    world.run(30)
    world.update(unowned(routed("b")))
    world.run(40)
    assert told(world) == (2, 4)
    world.scale(POOL, 8)
    world.tick(2)
    world.tick(2)
    assert told(world) == (4, 8)
    parts = shares(world)
    assert parts["cpu-a", "stable"] + parts["cpu-a", "candidate"] == pytest.approx(0.5)


def test_the_route_of_a_pool_that_has_its_class_alone_is_not_written_because_it_is_scaled() -> None:
    """Each time a gateway would have to take it over, and the step's clock stand until then."""
    world = serving(unowned(routed("a", base=alone)))
    before = world.children["HTTPRoute", "demo"]
    for count in (4, 9, 2):
        world.scale(POOL, count)
        world.run(20)
        assert world.serving()[POOL] == count
        assert world.children["HTTPRoute", "demo"] == before


def alone(letter: str) -> dict[str, Any]:
    return spec(letter, (POOL,))


def test_a_status_that_was_lost_takes_nothing_from_a_pool() -> None:
    world = established(replicas=4)
    world.update(unowned(spec(replicas=4)))
    world.tick()
    world.scale(POOL, 6)
    world.run(20)
    world.wipe()
    world.run(20)
    assert world.serving() == {"cpu-a": 6, "cpu-b": 4}


def test_without_status_and_samplerpool_there_is_as_much_as_there_was() -> None:
    world = established(replicas=4)
    world.update(unowned(spec(replicas=4)))
    world.tick()
    world.wipe()
    world.scales_readable = False
    world.run(20)
    assert world.serving() == {"cpu-a": 4, "cpu-b": 4}
