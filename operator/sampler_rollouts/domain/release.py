"""What a release is: the hash of what the spec says of every pool's pods (R5, R6)."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from sampler_rollouts.domain.pool import Sampler
from sampler_rollouts.domain.quantities import ratio

if TYPE_CHECKING:
    from sampler_rollouts.domain.pool import Pool
    from sampler_rollouts.domain.resource import Spec

NO_ROUTE: Final = "none"
"""The route hash of a release without a route table."""
HASH_LENGTH: Final = 10
_OF_PODS: Final = ("image", "sampler", "template", "platform", "accelerator", "topology")
_USUAL_SHARE: Final = ratio(Sampler().audit_share)


def digest(value: Any) -> str:
    """First ten hex digits of the SHA-256 of the canonical JSON of ``value``."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]


def revision(spec: Spec, pool: Pool) -> str:
    """The hash of what the spec says of one pool's pods.

    Defaults are left out, so that writing a default explicitly, or a later version's new field, starts no rollout;
    numbers are hashed by value, so that ``1%`` and ``0.01`` are one release. Replicas, strategy, checks and drain
    are not part of it. The context classes are: a server counts by them what was routed wrong. So is whether there is a
    gateway: only then a server believes the route header. Which gateway it is does not matter to it.
    """
    said = pool.model_dump(by_alias=True, exclude_defaults=True, include=set(_OF_PODS))
    share = ratio(pool.sampler.audit_share)
    said["sampler"] = said.get("sampler", {}) | {"auditShare": None if share == _USUAL_SHARE else share}
    routing = {"class": pool.context_class, "classes": spec.class_sizes} if spec.class_sizes else {}
    said["routing"] = routing | ({"gateway": True} if spec.gateway else {})
    return digest(_without_empty(said))


def _without_empty(value: Any) -> Any:
    """``value`` without members that say nothing, so that ``template: {}`` is no template."""
    if isinstance(value, dict):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, {}, [])}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value


def revisions(spec: Spec) -> dict[str, str]:
    """The revision of every pool by its name."""
    return {pool.name: revision(spec, pool) for pool in spec.pools}


def release_hash(by_pool: dict[str, str], route: str = NO_ROUTE) -> str:
    """The hash of a release: all its pools' revisions, and the route hash."""
    return digest({"pools": by_pool, "route": route})


def child_name(rollout: str, pool: str, of_revision: str) -> str:
    """The name of the Deployment, Service and ControllerRevision of one pool's revision."""
    return f"{rollout}-{pool}-{of_revision}"
