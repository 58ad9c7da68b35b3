"""Manifests of the prober that the operator runs beside a rollout: one pod, and a name for the pods of each revision.

A headless Service stands for every ready pod of a revision, so that the prober follows them by DNS alone and needs no
right in the cluster. Its objects carry neither pool nor context class: no Service of users selects the prober's pod,
and it counts as nobody's server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sampler_rollouts.domain.release import digest
from sampler_rollouts.domain.render import (
    LABEL_POOL,
    LABEL_REVISION,
    LABEL_ROLLOUT,
    METRICS_PORT,
    Child,
    Owner,
    container_security,
    metadata_of,
    pod_security,
)
from sampler_rollouts.domain.resource import GROUP

if TYPE_CHECKING:
    from sampler_rollouts.domain.outcome import Manifest

LABEL_COMPONENT: Final = f"{GROUP}/component"
COMPONENT: Final = "prober"
GRACE_SECONDS: Final = 30
"""The prober lets what is under way finish for 20 s."""
RESOURCES: Final = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}


def probe_labels(owner: Owner) -> dict[str, str]:
    """Labels of the prober's objects and pod."""
    return {LABEL_ROLLOUT: owner.name, LABEL_COMPONENT: COMPONENT}


def probe_service(owner: Owner, child: Child) -> Manifest:
    """A name for all ready pods of one revision. Its own is short: a child's name leaves no room for a suffix."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata_of(owner, f"{owner.name}-{digest({'probe': child.key})}", probe_labels(owner)),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "selector": {LABEL_ROLLOUT: owner.name, LABEL_POOL: child.pool, LABEL_REVISION: child.revision},
            "ports": [{"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics", "protocol": "TCP"}],
        },
    }


def prober(
    owner: Owner,
    image: str,
    services: Iterable[Manifest],
    rate: str,
    *,
    judge: bool = False,
    pull_secrets: Sequence[Mapping[str, Any]] = (),
) -> Manifest:
    """The prober: ``rate`` probes a second to the pods behind the Services, each Service the same share.

    ``judge``: it counts what it finds, by pool and revision; of each pool the last Service is what others should equal.
    """
    labels = probe_labels(owner)
    targets = [
        (f"{_whose(one)}=" if judge else "") + f"{one['metadata']['name']}.{owner.namespace}.svc:{METRICS_PORT}"
        for one in services
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata_of(owner, f"{owner.name}-probe", labels),
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 0,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": _pod(image, _arguments(targets, rate, judge), pull_secrets),
            },
        },
    }


def _whose(service: Manifest) -> str:
    selector = service["spec"]["selector"]
    return f"{selector[LABEL_POOL]}/{selector[LABEL_REVISION]}"


def _arguments(targets: list[str], rate: str, judge: bool) -> list[str]:
    named = [part for target in targets for part in ("--target", target)]
    judging = ["--judge"] if judge else []
    return ["probe", "--rate", rate, "--metrics-port", str(METRICS_PORT), *judging, *named]


def _pod(image: str, arguments: list[str], pull_secrets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Within the restricted Pod Security standard."""
    container = {
        "name": COMPONENT,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": arguments,
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"}],
        "resources": RESOURCES,
        "readinessProbe": {"httpGet": {"path": "/metrics", "port": "metrics"}, "periodSeconds": 5},
        "securityContext": container_security(),
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": pod_security(),
        "containers": [container],
        **({"imagePullSecrets": list(pull_secrets)} if pull_secrets else {}),
    }
