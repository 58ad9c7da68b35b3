"""A SamplerPool: what the autoscaler of one pool is pointed at, by the scale subresource.

An autoscaler needs a target whose name stays and whose count is the whole pool's. A Deployment of ours is neither: its
name holds the revision, and its count is what one revision has of the pool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.loose import Count, Loose
from sampler_rollouts.domain.render import LABEL_POOL, LABEL_ROLLOUT, metadata_of
from sampler_rollouts.domain.render_probes import LABEL_COMPONENT
from sampler_rollouts.domain.resource import API_VERSION
from sampler_rollouts.domain.rules import Strict

if TYPE_CHECKING:
    from sampler_rollouts.domain.outcome import Manifest
    from sampler_rollouts.domain.render import Owner

KIND: Final = "SamplerPool"
PLURAL: Final = "samplerpools"
SHORT_NAME: Final = "spool"


class SamplerPool(Strict):
    """What is asked for."""

    # Without a default: who takes the number out is refused, and the pool is not cut down to what nobody said.
    replicas: Annotated[int, Field(ge=1, le=limits.REPLICAS)] = Field(
        description="Servers of the pool, whatever release they run: the autoscaler's, through the scale subresource."
    )


class SamplerPoolStatus(Loose):
    """What there is."""

    replicas: Count = 0
    """Servers that there are, ready or not; behind a gateway without the candidate's, which come beside them."""
    selector: Annotated[str, Field(max_length=limits.SELECTOR)] = ""
    """Selects the pool's servers of all revisions, for autoscalers that read metrics of pods."""


def scale_name(owner: Owner, pool: str) -> str:
    """The name of a pool's SamplerPool: the same for all releases."""
    return f"{owner.name}-{pool}"


def selector(owner: Owner, pool: str) -> str:
    """All servers of a pool. What stands by, examines a build or probes it carries a component, and has no users."""
    return f"{LABEL_ROLLOUT}={owner.name},{LABEL_POOL}={pool},!{LABEL_COMPONENT}"


def sampler_pool(owner: Owner, pool: str, count: int, servers: int) -> Manifest:
    """The SamplerPool of one pool; ``count`` is what it begins with, and the autoscaler's from then on."""
    labels = {LABEL_ROLLOUT: owner.name, LABEL_POOL: pool}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": metadata_of(owner, scale_name(owner, pool), labels),
        "spec": {"replicas": count},
        "status": {"replicas": servers, "selector": selector(owner, pool)},
    }
