"""The kinds that the operator touches, and where they live at the API server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sampler_rollouts.domain import sampler_pool
from sampler_rollouts.domain.outcome import Manifest

FIELD_MANAGER: Final = "sampler-rollouts"


class RolloutKey(NamedTuple):
    """Which SamplerRollout."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Kind:
    """One namespaced resource of the API."""

    api_version: str
    kind: str
    plural: str

    def path(self, namespace: str, name: str = "") -> str:
        """The URL path of an object, or of all objects of this kind in the namespace."""
        return f"{self._root}/namespaces/{namespace}/{self.plural}" + (f"/{name}" if name else "")

    def everywhere(self) -> str:
        """The URL path of all objects of this kind in all namespaces."""
        return f"{self._root}/{self.plural}"

    @property
    def _root(self) -> str:
        return f"/{'apis' if '/' in self.api_version else 'api'}/{self.api_version}"


ROLLOUT: Final = Kind("samplerrollouts.io/v1alpha1", "SamplerRollout", "samplerrollouts")
DEPLOYMENT: Final = Kind("apps/v1", "Deployment", "deployments")
SERVICE: Final = Kind("v1", "Service", "services")
CONTROLLER_REVISION: Final = Kind("apps/v1", "ControllerRevision", "controllerrevisions")
HTTP_ROUTE: Final = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
DISRUPTION_BUDGET: Final = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
SAMPLER_POOL: Final = Kind(ROLLOUT.api_version, sampler_pool.KIND, sampler_pool.PLURAL)
POD: Final = Kind("v1", "Pod", "pods")
EVENT: Final = Kind("events.k8s.io/v1", "Event", "events")

PRUNE_ORDER: Final = (HTTP_ROUTE, DEPLOYMENT, DISRUPTION_BUDGET, SAMPLER_POOL, SERVICE, CONTROLLER_REVISION)
"""Kinds of children, in the order in which they go away."""


def kind_of(manifest: Manifest) -> Kind:
    """The kind of a wanted child; anything the operator has no business to write is refused."""
    for kind in PRUNE_ORDER:
        if (manifest.get("apiVersion"), manifest.get("kind")) == (kind.api_version, kind.kind):
            return kind
    raise ValueError(f"not a kind of child: {manifest.get('apiVersion')} {manifest.get('kind')}")


def metadata(obj: Manifest) -> dict[str, Any]:
    """The object's metadata; never None."""
    return obj.get("metadata") or {}


def labels(obj: Manifest) -> dict[str, str]:
    """The object's labels; never None."""
    return metadata(obj).get("labels") or {}


def key_of(rollout: Manifest) -> RolloutKey:
    """Namespace and name of a SamplerRollout."""
    return RolloutKey(metadata(rollout)["namespace"], metadata(rollout)["name"])


def controlled_by(obj: Manifest, uid: str) -> bool:
    """Whether the object's controlling owner has this uid."""
    return any(o.get("controller") and o.get("uid") == uid for o in metadata(obj).get("ownerReferences") or [])


def told_replicas(deployment: Manifest) -> int:
    """How many pods a Deployment is told to have; one if it does not say."""
    return int((deployment.get("spec") or {}).get("replicas", 1))


def terminating(obj: Manifest) -> bool:
    """Whether the object is on its way out."""
    return "deletionTimestamp" in metadata(obj)
