"""Which steps of the spec are still ahead. The spec may change: a place in it is a weight, not a number (R3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sampler_rollouts.domain.plan import Rollout
    from sampler_rollouts.domain.strategy_spec import Step

Placed = tuple[int, "Step"]
"""A step, and its index in the spec."""


def ahead(rollout: Rollout, steps: Sequence[Step]) -> list[Placed]:
    """The steps behind the present weight, without the pauses that a person has ended at it. Weights rise."""
    placed = list(enumerate(steps))
    done = max((index for index, step in placed if step.weight and step.weight <= rollout.weight), default=-1)
    later = placed[done + 1 :]
    pauses = next((place for place, (_, step) in enumerate(later) if step.pause is None), len(later))
    return later[min(rollout.pauses, pauses) :]
