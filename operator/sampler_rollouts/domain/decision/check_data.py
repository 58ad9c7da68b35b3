"""Where a check's data are, if its template could not be read, or was not there, when the plan was made.

A plan is a copy (R3), and what was not there could not be copied: it is, as soon as it is there. How many tests share
the error does not change by that, nor does any limit; what was found of other checks stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sampler_rollouts.domain.decision.quality import with_data

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.plan import QualityPlan
    from sampler_rollouts.domain.status import Status


def find_data(turn: Turn) -> None:
    """Fill the gaps of every plan that is followed, or will be."""
    for plan in _plans(turn.status):
        plan.checks = [with_data(check, turn.seen.check_templates) for check in plan.checks]


def _plans(status: Status) -> Iterator[QualityPlan]:
    if status.rollout is not None:
        yield status.rollout.quality
    if status.bake is not None:
        yield from (plan for plan in (status.bake.test, status.bake.watch) if plan is not None)
    if status.watch is not None:
        yield status.watch.quality
