"""How stories begin, and how they are told afterwards."""

from __future__ import annotations

from collections.abc import Callable

from sampler_rollouts.domain.evidence.look import Verdict
from sampler_rollouts.domain.evidence.samples import Question

from tests.unit.operator.domain.world import Judge, World, established, passing, spec

LONG_STEPS = {"strategy": {"steps": [{"weight": 25, "minDuration": "30s"}, {"weight": 50, "minDuration": "30s"}]}}


def rolling(letter: str = "b", **more: object) -> World:
    """Stable ``a`` serves; ``letter`` is at its first weight and its pods are ready."""
    world = established(**more)
    world.update(spec(letter, **more))
    world.run(25)
    assert world.status.stage == "Progressing"
    return world


def reasons(world: World) -> list[str]:
    return [event.reason for event in world.events]


def results(world: World) -> list[str]:
    return [entry.result.value for entry in world.status.history]


def holding(**more: object) -> World:
    world = rolling(**more)
    world.run(1900)
    assert world.status.stage == "Holding"
    return world


def one_pool_promoted() -> World:
    """The first wave is at full traffic: all of stable's pods there are gone; the second has not begun."""
    waves = {"strategy": {"waves": [["cpu-a"], ["cpu-b"]]}, "replicas": 4}
    world = established(**waves)
    world.judge = passing
    world.update(spec("b", **waves))
    while world.serving(world.revision_of("stable")).get("cpu-a"):
        world.tick()
    assert world.serving(world.revision_of("candidate")) == {"cpu-a": 4}
    return world


def bad(*revisions: str) -> Judge:
    """A judge that fails these revisions in pool cpu-a and passes all others."""
    return _judge(lambda mine: bool(mine & set(revisions)))


def bad_but(*revisions: str) -> Judge:
    """A judge that fails in pool cpu-a all but these revisions."""
    return _judge(lambda mine: not mine & set(revisions))


def _judge(fails: Callable[[set[str]], bool]) -> Judge:
    def judge(pool: str, check: str, asked: Question) -> tuple[Verdict, str]:
        mine = {arm.revision for arm in asked.arms if arm.pool == pool}
        here = (pool, check) == ("cpu-a", "unexpected-script")
        return (Verdict.FAILED if here and fails(mine) else Verdict.PASSED), ""

    return judge


def silent(pool: str, check: str, asked: Question) -> tuple[Verdict, str]:
    """The source answers, and has nothing of one check."""
    return (Verdict.INCONCLUSIVE, "NoData") if check == "errors" else (Verdict.PASSED, "")
