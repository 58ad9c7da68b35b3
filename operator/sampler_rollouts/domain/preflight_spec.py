"""The part of a SamplerRollout's spec that asks for a preflight."""

from __future__ import annotations

from pydantic import Field

from sampler_rollouts.domain.pool import Duration
from sampler_rollouts.domain.quantities import seconds
from sampler_rollouts.domain.rules import Strict


class Preflight(Strict):
    """A pod of each pool that moves examines the new build before any traffic, and its result decides."""

    budget: Duration = Field(
        "20s", description="How long a server's sweep may take; what must run does so whatever it takes."
    )
    timeout: Duration | None = Field(
        None,
        description="How long a result may take, from the pod's start; default: progressDeadline.",
    )
    compare_with_stable: bool = Field(
        True,
        description="Whether log-probabilities must be stable's. False where the model itself is to change.",
    )

    def limit(self, progress_deadline: str) -> int:
        """Seconds within which there is to be a result."""
        return seconds(self.timeout or progress_deadline)
