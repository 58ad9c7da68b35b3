"""Whose an object is. Names of children can meet: rollout ``a-b`` with pool ``c`` and rollout ``a`` with pool ``b-c``
share them if their builds are equal. Whoever came first keeps the object; the other one is told who is in its way.
"""

from __future__ import annotations

from sampler_rollouts.cluster.errors import NotOursError
from sampler_rollouts.cluster.kinds import metadata
from sampler_rollouts.domain.outcome import Manifest


def not_ours(name: str, found: Manifest, rollout: Manifest) -> NotOursError:
    """The error for an object under a child's name that this SamplerRollout does not control."""
    return NotOursError(f"{name} exists and was left as it is: {_who(found, rollout)}")


def _who(found: Manifest, rollout: Manifest) -> str:
    owners = metadata(found).get("ownerReferences") or []
    controller = next((owner for owner in owners if owner.get("controller")), None)
    if controller is None:
        return "nobody controls it; delete it, or rename this SamplerRollout or its pool"
    kind, owner = controller.get("kind"), controller.get("name")
    if (kind, owner) == (rollout["kind"], metadata(rollout)["name"]):
        return "an earlier SamplerRollout of this name left it; wait until the garbage collector has removed it"
    return f"{kind}/{owner} controls it; rename this SamplerRollout or its pool"
