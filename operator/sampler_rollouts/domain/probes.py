"""The part of a SamplerRollout's spec that asks for synthetic probes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sampler_rollouts.domain.pool import Image
from sampler_rollouts.domain.rules import Strict, matching

_PER_SECOND = "^(0|[1-9][0-9]{0,2})([.][0-9]{1,3})?$"


class Probes(Strict):
    """Synthetic requests to the pods of both releases, as evidence where users send few."""

    requests_per_second: Annotated[
        str,
        Field(
            max_length=7,
            description="To all pods together; 0: the operator runs no prober, and those of your own count.",
        ),
        matching(_PER_SECOND, 'must be a number below 1000, as a string: "0.5" for a probe every two seconds'),
    ]
    image: Image | None = Field(
        None, description="One that knows samplerd probe; default: that of the release under test."
    )
