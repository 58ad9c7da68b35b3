"""Manifests of pods that stand by: of a release that a rollback would bring back, where users call a class's Service.

That Service selects every ready pod of the class, and no label ever changes role. So a pod that stands by is not ready
before the operator says so: it has a readiness gate, which is all that its template has more than the recorded one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from sampler_rollouts.domain.release import digest
from sampler_rollouts.domain.render import Child, Owner, metadata_of
from sampler_rollouts.domain.render_probes import LABEL_COMPONENT
from sampler_rollouts.domain.resource import GROUP

if TYPE_CHECKING:
    from sampler_rollouts.domain.outcome import Manifest

COMPONENT: Final = "standby"
SERVING: Final = f"{GROUP}/serving"
"""The pod's condition, true once it may have traffic."""


def standby_name(owner: Owner, child: Child) -> str:
    """Short, as a child's own name leaves no room for a suffix."""
    return f"{owner.name}-{digest({'standby': child.key})}"


def standby_deployment(owner: Owner, child: Child, template: Mapping[str, Any], replicas: int) -> Manifest:
    """The very pods that would serve, and one label more: whose Deployment they are is not to be mistaken."""
    labels = {**template["metadata"]["labels"], LABEL_COMPONENT: COMPONENT}
    pod = {**template["spec"], "readinessGates": [{"conditionType": SERVING}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata_of(owner, standby_name(owner, child), labels),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
