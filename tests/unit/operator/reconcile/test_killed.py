"""R4: killed before or after any write, the operator converges to the same end state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.support.kube.api import Write
from tests.unit.operator.reconcile.world import Obj, World, image, spec

LONGER_THAN_THE_BAKE = 12
"""Turns without a write."""
Scenario = Callable[[World], Awaitable[None]]


class Killed(BaseException):
    """The process is gone: no handler of ours may catch this."""


async def good(world: World) -> None:
    world.declare(spec("b"))


async def bad(world: World) -> None:
    world.traffic.bad_images.add(image("b"))
    world.declare(spec("b"))


async def replaced(world: World) -> None:
    """A third release in mid-rollout; the second is withdrawn first (R5)."""
    world.declare(spec("b"))
    await world.settle(6)
    world.declare(spec("c"))


async def back(world: World) -> None:
    """Back to stable's spec in mid-rollout."""
    world.declare(spec("b"))
    await world.settle(6)
    world.declare(spec("a"))


async def first(world: World) -> None:
    world.declare(spec("a"))


async def before(scenario: Scenario) -> World:
    """The world when the scenario begins."""
    world = World()
    if scenario is not first:
        await first(world)
        await world.settle(20)
    await scenario(world)
    return world


async def play(world: World, kill_at: int = -1, after: bool = False) -> tuple[Obj, int]:
    """The end state, and how many writes it took; killed at one of them."""
    seen = 0

    def count(_: Write) -> None:
        nonlocal seen
        seen += 1
        if seen == kill_at + 1:
            raise Killed

    if after:
        world.api.after_write = count
    else:
        world.api.before_write = count
    quiet = 0
    while quiet < LONGER_THAN_THE_BAKE:
        writes = len(world.api.writes)
        try:
            await world.turn()
        except Killed:
            world.start()
        quiet = quiet + 1 if len(world.api.writes) == writes else 0
    return world.end_state(), seen


CASES = [(first, False), (good, False), (bad, False), (bad, True), (replaced, False), (back, False)]
"""Killed before a write is killed after the one before it; ``True`` shows that on one scenario."""


@pytest.mark.long
@pytest.mark.parametrize(("scenario", "after"), CASES)
async def test_killed_at_any_write_it_ends_the_same(scenario: Scenario, after: bool) -> None:
    begun = await before(scenario)
    undisturbed, writes = await play(begun.twin())
    assert writes > 5
    assert undisturbed["stage"] == "Serving"

    for number in range(writes):
        ended, _ = await play(begun.twin(), number, after)
        assert ended == undisturbed, f"killed at write {number}"
