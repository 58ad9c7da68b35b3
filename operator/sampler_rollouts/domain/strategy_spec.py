"""How a spec says in which order, how fast and how long a release is rolled out (R9)."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar

from pydantic import Field

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.pool import Duration, DurationOrZero, Label
from sampler_rollouts.domain.preflight_spec import Preflight
from sampler_rollouts.domain.quantities import seconds
from sampler_rollouts.domain.rules import NULLS_DROPPED, Rule, Scalar, Strict, cel_is_duration

Pause = Annotated[
    # A map, not an object without fields: that would drop a `duration` in it instead of refusing it.
    dict[str, Annotated[str, Field(max_length=64)]],
    Field(max_length=8, description="Wait for a person, who continues with the promote annotation."),
    NULLS_DROPPED,
    Scalar(
        "size(self) == 0",
        "pause takes no fields: {} waits for a person; to wait for a time, use a weight with minDuration",
        lambda value: not value,
    ),
]


class Step(Strict):
    """A traffic weight held for a while, or a pause until a person continues."""

    weight: Annotated[int, Field(ge=1, le=99)] | None = None
    """The candidate's share of each pool of the wave, in percent."""
    min_duration: DurationOrZero | None = None
    """How long the weight is in force at least."""
    pause: Pause | None = None
    """{} waits here until a person promotes."""
    rules: ClassVar = (
        Rule(
            "has(self.pause) ? !has(self.weight) && !has(self.minDuration) : has(self.weight) && has(self.minDuration)",
            "a step is either {weight: 10, minDuration: 5m} or {pause: {}}",
            lambda step: (step.pause is None) == (step.weight is not None) == (step.min_duration is not None),
        ),
    )


_LIMIT = "(has(self.preflight.timeout) ? self.preflight.timeout : self.progressDeadline)"
_WEIGHTS = "self.steps.filter(s, has(s.weight)).map(s, s.weight)"


def _weights_rise(strategy: Strategy) -> bool:
    weights = [step.weight for step in strategy.steps if step.weight is not None]
    return all(before < after for before, after in pairwise(weights))


class Strategy(Strict):
    """In which order, how fast and how long."""

    waves: (
        Annotated[
            list[Annotated[list[Label], Field(min_length=1, max_length=limits.POOLS)]],
            Field(min_length=1, max_length=limits.POOLS),
        ]
        | None
    ) = Field(None, description="Pools that roll out together; default: one pool a wave, in order.")
    steps: Annotated[list[Step], Field(min_length=1, max_length=limits.STEPS)] = Field(
        default_factory=lambda: [
            Step.model_validate({"weight": 10, "minDuration": "5m"}),
            Step.model_validate({"weight": 50, "minDuration": "15m"}),
        ]
    )
    """Weights in rising order, and pauses; full traffic follows by itself."""
    preflight: Preflight | None = Field(
        None, description="Examine a new build in a pod of its own before any traffic; without it nothing is examined."
    )
    progress_deadline: Duration = Field("10m", description="How long pods may take to be ready.")
    deadline: Duration = Field("6h", description="How long the whole rollout may take.")
    bake_time: DurationOrZero = Field("24h", description="How long after full traffic a release becomes verified.")
    rules: ClassVar = (
        Rule(
            f"{_WEIGHTS}.isSorted() && {_WEIGHTS}.all(w, {_WEIGHTS}.exists_one(v, v == w))",
            "steps must have rising weights: order them, and remove equal ones",
            _weights_rise,
            "steps",
        ),
        Rule(
            "self.steps.exists(s, has(s.weight))",
            "steps need at least one weight: add {weight: 50, minDuration: 15m}",
            lambda strategy: any(step.weight is not None for step in strategy.steps),
            "steps",
        ),
        Rule(
            f"!has(self.preflight) || !{cel_is_duration('self.preflight.budget')} || !{cel_is_duration(_LIMIT)} || "
            f"duration(self.preflight.budget) < duration({_LIMIT})",
            "preflight.budget must be below preflight.timeout (default: progressDeadline), which has room for the "
            "model's loading too: lower the budget or raise the timeout",
            lambda strategy: (
                strategy.preflight is None
                or seconds(strategy.preflight.budget) < strategy.preflight.limit(strategy.progress_deadline)
            ),
            "preflight",
        ),
    )
