"""What status keeps of the pools of a release whose rollout has ended: what a fingerprint is looked up by (R27)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.loose import Count, Label, Loose


class EndedPool(Loose):
    """One pool of such a release."""

    name: Label
    revision: Label
    image: Annotated[str, Field(max_length=limits.ENDED_IMAGE)] = ""
    """Without its registry, as far as it fits."""
    exposed: Count | None = None
    """Requests that the release answered in this pool during its rollout; absent where it did not move the pool.

    Of a release that ended in its route table's wave: those that came by its table."""
    total: Count | None = None
    """All requests that were answered there meanwhile."""
