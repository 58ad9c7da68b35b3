"""What random stories are made of: whole scenes, so that a short story gets to the rare places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sampler_rollouts.domain.resource import PROMOTE_ANNOTATION

from tests.unit.operator.domain import invariants
from tests.unit.operator.domain.histories import act, hear, of_build, target
from tests.unit.operator.domain.story import bad, bad_but, silent
from tests.unit.operator.domain.world import World, inconclusive, passing, spec

Scene = Callable[[World], None]
TICK = 10


def opening(pause: bool) -> World:
    """The first release serves, in two pools of two waves, and is under test."""
    steps: list[dict[str, Any]] = [{"weight": 50, "minDuration": "10s"}]
    strategy = {"waves": [["cpu-a"], ["cpu-b"]], "steps": [*steps, {"pause": {}}] if pause else steps}
    world = World(spec("a", strategy=strategy), check=invariants.check)
    _run(world, 30)
    return world


def _run(world: World, seconds: float) -> None:
    for _ in range(int(seconds / TICK)):
        world.tick(TICK)


def _new(world: World) -> None:
    """The spec asks for a build that there never was."""
    letters = "bcdef012345678"
    letter = letters[sum(entry.result != "Established" for entry in world.status.history) % len(letters)]
    world.update(of_build(world.spec, letter))


def _stable(world: World) -> set[str]:
    return {item.revision for item in world.status.stable.pools} if world.status.stable else set()


def stable_fails(world: World) -> None:
    """A check fails in what serves, if it is under test."""
    world.judge = bad(*_stable(world))
    _run(world, 30)
    world.judge = passing


def promoted(world: World) -> None:
    """A new build, and a person who lets it go on."""
    world.judge = passing
    _new(world)
    for _ in range(20):
        world.tick(TICK)
        hear(world)
        if world.status.stage == "Serving":
            return


def waiting(world: World) -> None:
    """A new build, and nobody who lets it go on."""
    world.judge = passing
    _new(world)
    _run(world, 60)


def rejected(world: World) -> None:
    """A new build that fails at its first weight."""
    world.judge = inconclusive
    _new(world)
    _run(world, 40)
    world.judge = bad_but(*_stable(world))
    _run(world, 40)
    world.judge = passing


def rejected_without_stable(world: World) -> None:
    """A new build fails when it has all of the first pool, and no pod of stable can start there any more."""
    world.judge = passing
    _new(world)
    for _ in range(20):
        world.tick(TICK)
        hear(world)
        if world.status.rollout and world.status.rollout.wave == 1:
            break
    world.blocked = dict.fromkeys(_stable(world), "ErrImagePull")
    world.judge = bad_but(*_stable(world))
    _run(world, 150)
    world.judge = passing


def withdrawn(world: World) -> None:
    """A new build, and back again."""
    old = world.spec
    waiting(world)
    world.update(old)
    _run(world, 40)


def first_again(world: World) -> None:
    """The build that was the first."""
    world.judge = passing
    world.update(of_build(world.spec, "a"))
    _run(world, 60)


def previous_again(world: World) -> None:
    """The release that stable replaced, if it is remembered."""
    previous = world.status.previous
    images = {item.name: item.image for item in previous.pools} if previous else {}
    pools = [pool | {"image": images.get(pool["name"], pool["image"])} for pool in world.spec["pools"]]
    world.update(world.spec | {"pools": pools})
    _run(world, 60)


def retried(world: World) -> None:
    """``retryGeneration`` rises."""
    act(world, ("retry", None))
    _run(world, 40)


def retried_in_vain(world: World) -> None:
    """The same, and nothing can be said."""
    world.judge = inconclusive
    retried(world)


def a_word(world: World) -> None:
    """A promote annotation for what the spec asks for, whether or not there is anything to continue."""
    world.annotations[PROMOTE_ANNOTATION] = target(world)
    _run(world, 20)


def pool_removed(world: World) -> None:
    """The last pool goes, if there are two."""
    act(world, ("pool removed", 1))
    _run(world, 40)


def pool_removed_in_need(world: World) -> None:
    """The last pool goes while the other one does not serve."""
    for pod in world.pods:
        pod.was_ready = pod.was_ready and pod.pool != "cpu-a"
    world.blocked = {pod.revision: "Unschedulable" for pod in world.pods if pod.pool == "cpu-a"}
    pool_removed(world)
    world.blocked = {}


def recreated(world: World) -> None:
    """Deleted, and created again before the garbage collector is there."""
    world.tick(TICK)
    act(world, ("recreated", 60))
    _run(world, 30)


def baked(world: World) -> None:
    """Time enough for any bake."""
    for _ in range(14):
        world.tick(30)


def baked_unseen(world: World) -> None:
    """Time enough for any bake, without data: first the source is away, then it has nothing of one check."""
    world.metrics_up = False
    baked(world)
    world.metrics_up, world.judge = True, silent
    baked(world)
    world.judge = passing
    _run(world, 30)


def killed(world: World) -> None:
    """Killed after one write, three times."""
    for _ in range(3):
        world.tick(TICK, writes=1)


def stable_unready_in_a_step(world: World) -> None:
    """A new build is at its first weight when stable's pods in the first pool stop being ready for a while."""
    world.judge = inconclusive
    _new(world)
    _run(world, 30)
    world.unready = {pod.name for pod in world.pods if pod.revision in _stable(world) and pod.pool == "cpu-a"}
    world.judge = passing
    _run(world, 60)
    world.unready = set()
    _run(world, 30)


def another_share(world: World) -> None:
    """Requests do not go where the pods are, while a new build is tried."""
    world.arrivals.per_second, world.arrivals.split = 20, 0.95
    waiting(world)
    world.arrivals.split = None
    _run(world, 30)


def healed(world: World) -> None:
    """Pods of all builds can start again."""
    world.blocked = {}
    _run(world, 30)


def undeletable(world: World) -> None:
    """From now on nothing can be deleted."""
    world.undeletable = True


def immovable(world: World) -> None:
    """Nor can anything that is to be deleted be scaled, for a while: longer than pods may take."""
    world.undeletable = world.unscalable = True
    _run(world, 150)
    world.unscalable = False


def deletable(world: World) -> None:
    """All can be deleted again."""
    world.undeletable = world.unscalable = False
    _run(world, 20)


def wiped(world: World) -> None:
    """The status is lost."""
    world.wipe()
    _run(world, 40)


def wiped_unmarked(world: World) -> None:
    """The status is lost, and no Deployment says what it was."""
    world.unmark()
    wiped(world)


SCENES: list[Scene] = [
    stable_fails, promoted, waiting, rejected, rejected_without_stable, withdrawn, first_again, previous_again, retried,
    retried_in_vain, a_word, pool_removed, pool_removed_in_need, recreated, baked, killed, healed,
    undeletable, immovable, deletable, wiped, wiped_unmarked,
    stable_unready_in_a_step, another_share, baked_unseen,
]  # fmt: skip
