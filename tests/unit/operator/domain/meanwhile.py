"""What serves while no candidate has a pod: it is asked about at every look, and it alone (R22)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampler_rollouts.domain.evidence.look import Verdict
from sampler_rollouts.domain.evidence.samples import Question
from sampler_rollouts.domain.status import Stage, Status

if TYPE_CHECKING:
    from sampler_rollouts.domain.outcome import Outcome

    from tests.unit.operator.domain.world import World

HEARD = {"CheckFailed", "FirstReleaseFailed", "RolledBack"}


def waits(status: Status) -> bool:
    """Whether there is a candidate, and no pool has any weight of it."""
    rollout = status.rollout
    tried = status.stage in (Stage.PROGRESSING, Stage.HOLDING)
    return tried and rollout is not None and rollout.wave == 0 and rollout.weight == 0


def serves_alone(status: Status) -> bool:
    """Whether users get answers of one release, and no other one is wanted."""
    return status.stage is Stage.SERVING or waits(status)


def about(asked: Question | None) -> dict[str, str]:
    """By pool, the revision that is asked about."""
    return {arm.pool: arm.revision for arm in asked.arms} if asked else {}


def check(world: World, outcome: Outcome) -> None:
    """All of it."""
    _it_is_asked_about(world, outcome.status)
    _what_fails_is_heard(world, outcome)
    _nothing_is_known_of_what_waits(outcome.status)


def _it_is_asked_about(world: World, status: Status) -> None:
    stable = status.stable
    if stable is None or stable.fault or not serves_alone(status):
        return
    watched = status.watch is not None or (status.bake is not None and bool(status.bake.watch or status.bake.test))
    asked = about(world.asked(status))
    assert not watched or asked == {item.name: item.revision for item in stable.pools}, "nobody looks at what serves"


def _what_fails_is_heard(world: World, outcome: Outcome) -> None:
    """In the same decision, whatever waits beside it."""
    before, asked = world.status, world.asked(world.status)
    if asked is None or not world.metrics_up or not serves_alone(before):
        return
    seen = {arm.pool for arm in asked.arms if arm.births} & {"cpu-a"}
    decides = {one.name for one in asked.checks} & {"unexpected-script"}
    failed = seen and decides and world.judge("cpu-a", "unexpected-script", asked)[0] is Verdict.FAILED
    told = before.watch is not None and before.watch.alarm is not None
    assert not failed or told or HEARD & {event.reason for event in outcome.events}, "what serves fails, unheard"


def _nothing_is_known_of_what_waits(status: Status) -> None:
    """What stable shows is never taken for the candidate's (R12)."""
    for row in status.pools if waits(status) else ():
        assert (row.verdict, row.passed_at, row.requests) == ("", None, None)
