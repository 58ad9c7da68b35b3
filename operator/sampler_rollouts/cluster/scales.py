"""SamplerPools: when they are looked for, what they say, and how one is written. Pure.

Its count is ours only until it is there. So it is created and not applied: what is applied once and then left out is
taken away, and a count that an autoscaler owns must not be. From then on all but the count is applied.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sampler_rollouts.cluster.kinds import SAMPLER_POOL, labels, metadata, terminating
from sampler_rollouts.domain.limits import REPLICAS
from sampler_rollouts.domain.outcome import Manifest
from sampler_rollouts.domain.render import LABEL_POOL
from sampler_rollouts.domain.resource import GROUP
from sampler_rollouts.domain.sampler_pool import PLURAL

NOT_SERVED: Final = (
    f"the API server does not know SamplerPools: apply the definition {PLURAL}.{GROUP} of this version, or give "
    "replicas in the spec"
)


def has_scales(rollout: Manifest) -> bool:
    """Whether its spec, which may be of any form, leaves a count to an autoscaler, or its status says that one may be
    there: nobody else needs the right to them, or their definition."""
    pools = (rollout.get("spec") or {}).get("pools")
    named = [pool for pool in pools if isinstance(pool, dict)] if isinstance(pools, list) else []
    wanted = any(pool.get("replicas") is None for pool in named)
    return wanted or bool((rollout.get("status") or {}).get("scales"))


def counts_of(rollout: Manifest, scales: Iterable[Manifest]) -> dict[str, int]:
    """What each pool's asks for; one that is on its way out, is named otherwise than ours are, or says what no schema
    allows, asks for nothing."""
    by_name = {metadata(one).get("name"): one for one in scales if not terminating(one)}
    pools = {labels(one).get(LABEL_POOL, "") for one in by_name.values()}
    named = {pool: by_name.get(f"{metadata(rollout)['name']}-{pool}") for pool in pools}
    found = {pool: (one.get("spec") or {}).get("replicas") for pool, one in named.items() if one}
    return {pool: count for pool, count in found.items() if isinstance(count, int) and 1 <= count <= REPLICAS}


def parted(wanted: Manifest) -> tuple[Manifest, Manifest]:
    """What is applied over a child that is there, and the status that is written beside it; that of no other kind."""
    if wanted.get("kind") != SAMPLER_POOL.kind:
        return wanted, {}
    return {name: value for name, value in wanted.items() if name not in ("spec", "status")}, wanted["status"]
