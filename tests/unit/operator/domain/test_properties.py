"""Random histories: what holds in every one, and how each of them ends."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, example, given, settings
from sampler_rollouts.domain.release import revisions
from sampler_rollouts.domain.render import LABEL_POOL
from sampler_rollouts.domain.resource import parse_spec

from tests.support.examples import examples
from tests.unit.operator.domain import invariants, scenes
from tests.unit.operator.domain.histories import ACTIONS, HISTORIES, act, hear, of_build, specs, target
from tests.unit.operator.domain.scenes import Scene, opening
from tests.unit.operator.domain.story import bad, bad_but
from tests.unit.operator.domain.world import World, passing, spec

SLOW = settings(max_examples=HISTORIES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SLOW
@given(st.booleans(), st.lists(st.sampled_from(scenes.SCENES), min_size=3, max_size=8))
# What was wrong once is told in every run.
@example(False, [scenes.stable_fails, scenes.baked])
@example(False, [scenes.stable_fails, scenes.withdrawn, scenes.baked])
@example(False, [scenes.stable_fails, scenes.promoted, scenes.previous_again, scenes.baked])
@example(False, [scenes.stable_fails, scenes.retried_in_vain, scenes.baked])
@example(False, [scenes.withdrawn, scenes.baked])
@example(True, [scenes.promoted, scenes.first_again, scenes.a_word, scenes.rejected, scenes.retried])
@example(True, [scenes.rejected, scenes.a_word, scenes.retried, scenes.waiting])
@example(False, [scenes.pool_removed_in_need])
@example(False, [scenes.pool_removed_in_need, scenes.killed, scenes.pool_removed_in_need])
@example(False, [scenes.recreated])
@example(False, [scenes.retried, scenes.stable_fails, scenes.stable_fails])
@example(False, [scenes.waiting, scenes.wiped])
@example(True, [scenes.promoted, scenes.wiped, scenes.waiting])
@example(False, [scenes.undeletable, scenes.rejected, scenes.baked])
@example(False, [scenes.immovable, scenes.rejected, scenes.baked, scenes.deletable])
@example(False, [scenes.stable_unready_in_a_step, scenes.baked])
@example(False, [scenes.another_share])
@example(False, [scenes.baked_unseen, scenes.baked])
@example(False, [scenes.promoted, scenes.baked_unseen])
@example(False, [scenes.withdrawn, scenes.pool_removed_in_need, scenes.stable_fails])
def test_the_invariants_hold_in_every_story(pause: bool, story: list[Scene]) -> None:
    world = opening(pause)
    for scene in story:
        scene(world)


@settings(SLOW, max_examples=examples(4) * HISTORIES)
@given(specs(), st.lists(ACTIONS, min_size=5, max_size=60))
def test_the_invariants_hold_in_every_history(first: dict[str, Any], actions: list[tuple[str, Any]]) -> None:
    world = World(first, check=invariants.check)
    for action in actions:
        act(world, action)


def unwanted(world: World) -> set[tuple[str, str]]:
    """Kind and name of whatever is there of a pool and is not to be: an empty Deployment, and what went with it.

    A SamplerPool that cannot be deleted brings no pod back: a number in the spec holds.
    """
    outcome = world.decide()
    wanted = {(body["kind"], body["metadata"]["name"]) for body in outcome.objects}
    theirs = {key for key, body in world.children.items() if LABEL_POOL in body["metadata"]["labels"]}
    return {key for key in theirs - wanted if key[1] not in outcome.keep and key[0] != "SamplerPool"}


@SLOW
@given(specs(), st.lists(ACTIONS, min_size=5, max_size=30), st.booleans())
def test_every_history_ends_in_rest(first: dict[str, Any], actions: list[tuple[str, Any]], undeletable: bool) -> None:
    """Once the world is well and evidence passes, nobody waits for anything but a person; deletions may be refused."""
    world = World(first)
    for action in actions:
        act(world, action)
    world.crashing, world.blocked, world.never_ready, world.unready = set(), {}, set(), set()
    world.undeletable, world.unscalable = undeletable, False
    world.arrivals.split = None
    world.examining.says.clear()
    world.judge, world.metrics_up = passing, True
    world.update(world.spec | {"paused": False})
    for _ in range(40):
        world.run(25)
        hear(world)
    held = world.status.held(target(world))
    ill = world.status.stable is not None and world.status.stable.fault is not None
    if held:
        assert world.condition("Stalled") == ("True", "RolledBack")
    elif ill:
        assert world.condition("Stalled") == ("True", "FirstReleaseFailed")
    else:
        assert world.condition("Ready") == ("True", "FullTraffic"), world.status.dump()
    stable = world.status.stable
    assert stable is not None
    for item in stable.pools:
        pods = [pod for pod in world.pods if pod.pool == item.name]
        assert {pod.revision for pod in pods} == {item.revision}
        assert len(pods) == world.status.pool(item.name).replicas
    assert {pod.pool for pod in world.pods} == set(stable.names())
    left = unwanted(world)
    assert bool(left) <= undeletable
    if not ill:
        assert world.condition("Degraded") == (("True", "NotDeleted") if left else ("False", "AsWanted"))


@SLOW
@given(st.booleans(), st.lists(st.sampled_from(scenes.SCENES), min_size=1, max_size=4))
@example(False, [scenes.rejected_without_stable])
def test_a_good_release_gets_through_whatever_does_not_come_up(pause: bool, story: list[Scene]) -> None:
    """No pod of any other release ever starts again: those that serve are all there is to go back to."""
    world = opening(pause)
    for scene in story:
        scene(world)
    world.judge = passing
    world.blocked = dict.fromkeys(world.revisions(), "ErrImagePull")
    world.update(of_build(world.spec, "9") | {"paused": False})
    for _ in range(50):
        world.tick(20)
        hear(world)
    assert world.condition("Ready") == ("True", "FullTraffic"), world.status.dump()
    assert world.status.stable is not None
    assert world.status.stable.hash == target(world)


SCRIPT = st.lists(
    st.sampled_from(
        [
            ("spec", "b"),
            ("spec", "c"),
            ("spec", "a"),
            ("run", 30),
            ("run", 60),
            ("run", 30),
            ("run", 60),
            ("judge", "all pass"),
            ("judge", "new ones fail"),
            ("judge", "the first fails"),
            ("retry", None),
            ("pools", ("cpu-a",)),
            ("pools", ("cpu-a", "cpu-b")),
        ]
    ),
    min_size=3,
    max_size=10,
)


@settings(SLOW, max_examples=examples(1) + HISTORIES * 2 // 3)
@given(SCRIPT, st.integers(0, 120), st.integers(0, 9))
def test_killed_between_any_two_writes_the_end_is_the_same(script: list[tuple[str, Any]], at: int, writes: int) -> None:
    """R4: the same story with and without a kill ends in the same place."""
    calm, killed = _play(script, None, 0), _play(script, at, writes)
    assert _end(calm) == _end(killed)


def _play(script: list[tuple[str, Any]], at: int | None, writes: int) -> World:
    letter, pools, retry, ticks = "a", ("cpu-a", "cpu-b"), 0, 0
    # A bake that would end in mid-script would end at another moment of it after a kill.
    strategy = {"bakeTime": "1h"}
    world = World(spec(letter, pools, strategy=strategy), check=invariants.check)
    first = _revisions(world)
    judges = {"all pass": passing, "the first fails": bad(*first), "new ones fail": bad_but(*first)}
    for kind, value in [("run", 30), *script, ("run", 240)]:
        letter = value if kind == "spec" else letter
        pools = value if kind == "pools" else pools
        retry += kind == "retry"
        if kind in ("spec", "pools", "retry"):
            world.update(spec(letter, pools, strategy=strategy, retryGeneration=retry))
        elif kind == "judge":
            world.judge = judges[value]
        for _ in range(value // 5 if kind == "run" else 0):
            world.tick(5, writes=writes if ticks == at else None)
            ticks += 1
    return world


def _revisions(world: World) -> set[str]:
    return set(revisions(parse_spec(world.spec, world.name)).values())


def _end(world: World) -> object:
    status = world.status
    return (
        world.condition("Ready"),
        world.condition("Degraded"),
        status.stage,
        status.stable.hash if status.stable else "",
        status.promoted_by,
        sorted(item.hash for item in status.failed),
        [(entry.release, entry.result) for entry in status.history],
        world.serving(),
        sorted(world.children),
    )
