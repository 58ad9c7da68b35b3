"""Manifests of a revision's children, as docs/architecture.md names them. Pure: the same input gives the same manifest.

A ControllerRevision holds the rendered pod template under ``data.template``; ``recorded_template`` reads it back. Once
recorded a template is reused verbatim, so that a newer operator restarts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sampler_rollouts.domain import compile_cache, platforms
from sampler_rollouts.domain.placement import ANYWHERE, Placement, Toleration, mounts, pod_fields
from sampler_rollouts.domain.pool import STANDARD
from sampler_rollouts.domain.quantities import ratio, seconds
from sampler_rollouts.domain.release import child_name
from sampler_rollouts.domain.resource import API_VERSION, GROUP, KIND

if TYPE_CHECKING:
    from sampler_rollouts.domain.outcome import Manifest
    from sampler_rollouts.domain.pool import Pool
    from sampler_rollouts.domain.resource import Spec

LABEL_ROLLOUT: Final = f"{GROUP}/rollout"
LABEL_POOL: Final = f"{GROUP}/pool"
LABEL_REVISION: Final = f"{GROUP}/revision"
LABEL_CLASS: Final = f"{GROUP}/context-class"
ROLE: Final = f"{GROUP}/role"
"""An annotation of Deployments: what status knows by itself, for the day on which it is lost (``is_marked_stable``)."""
STABLE: Final = "stable"
CONTAINER: Final = "sampler"
HTTP_PORT: Final = 8000
METRICS_PORT: Final = 9090
USER: Final = 65532
POD_NAME: Final = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}
"""The one variable that is not literal: a pod's own name, through the downward API."""
STARTUP_SECONDS: Final = 900
"""How long a server may load and compile before it is killed; a shorter ``progressDeadline`` judges earlier."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The SamplerRollout that owns every child."""

    namespace: str
    name: str
    uid: str

    def reference(self) -> dict[str, Any]:
        """The owner reference: garbage collection is the only cleaner (R28)."""
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }


@dataclass(frozen=True, slots=True)
class Child:
    """One pool's revision, as an address."""

    pool: str
    revision: str

    @property
    def key(self) -> str:
        """The key of recorded templates in an Observation."""
        return f"{self.pool}-{self.revision}"


def class_labels(owner: Owner, context_class: str) -> dict[str, str]:
    """What every pod of a context class carries, whatever its pool and revision."""
    return {LABEL_ROLLOUT: owner.name, LABEL_CLASS: context_class}


def child_labels(owner: Owner, child: Child, context_class: str) -> dict[str, str]:
    """Labels of one revision's children and pods. Immutable: no label ever changes role."""
    return class_labels(owner, context_class) | {LABEL_POOL: child.pool, LABEL_REVISION: child.revision}


def class_of(template: Mapping[str, Any]) -> str:
    """The context class of a recorded template."""
    return str(template["metadata"]["labels"][LABEL_CLASS])


def metadata_of(owner: Owner, name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """The metadata of a child: found again by its label, cleaned up by its owner."""
    return {
        "name": name,
        "namespace": owner.namespace,
        "labels": dict(labels) | {"app.kubernetes.io/managed-by": "sampler-rollouts"},
        "ownerReferences": [owner.reference()],
    }


def identity(owner: Owner, child: Child) -> dict[str, str]:
    """The variables that say whose pod it is: nobody but the operator sets them."""
    return {"SAMPLER_REVISION": child.revision, "SAMPLER_POOL": child.pool, "SAMPLER_ROLLOUT": owner.name}


def routing(spec: Spec, pool: Pool) -> dict[str, str]:
    """The variables that tell a server its context class and all of them; none without classes."""
    if not spec.class_sizes:
        return {}
    classes = ",".join(f"{name}={most}" for name, most in spec.class_sizes.items())
    return {"SAMPLER_CONTEXT_CLASS": pool.context_class or "", "SAMPLER_CONTEXT_CLASSES": classes}


def _environment(owner: Owner, spec: Spec, pool: Pool, child: Child) -> list[dict[str, Any]]:
    share = f"{ratio(pool.sampler.audit_share):.10f}".rstrip("0").rstrip(".")
    ours = {
        **identity(owner, child),
        "SAMPLER_PRECISION": pool.sampler.precision,
        "SAMPLER_AUDIT_SHARE": share,
        "SAMPLER_DRAIN_TIMEOUT": str(seconds(spec.rollback.drain_timeout)),
        **routing(spec, pool),
    }
    if spec.gateway:
        ours["SAMPLER_BEHIND_GATEWAY"] = "true"
    if pool.sampler.vocab_shards > 1:
        ours["SAMPLER_VOCAB_SHARDS"] = str(pool.sampler.vocab_shards)
    if pool.template.compile_cache:
        ours[compile_cache.VARIABLE] = compile_cache.PATH
    ours |= platforms.environment(pool)
    theirs = [{"name": item.name, "value": item.value} for item in pool.template.env]
    return [{"name": name, "value": value} for name, value in ours.items()] + [POD_NAME] + theirs


def _probe(path: str, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": 5,
    }


def _free(owner: Owner, spec: Spec, pool: Pool, child: Child) -> dict[str, Any]:
    """What the author of a SamplerRollout may choose of the container."""
    resources = platforms.resources(pool)
    free: dict[str, Any] = {"image": pool.image, "env": _environment(owner, spec, pool, child)}
    if pool.template.args:
        free["args"] = list(pool.template.args)
    return free | ({"resources": resources} if resources else {})


def _placement(pool: Pool) -> Placement:
    """Where pods run: what the author says, and what the platform adds."""
    tolerated = [Toleration.model_validate(item) for item in platforms.tolerations(pool)]
    theirs = [item for item in pool.template.tolerations if item not in tolerated]
    said = {name: getattr(pool.template, name) for name in Placement.model_fields}
    return Placement.model_construct(
        **{**said, "node_selector": platforms.node_selector(pool), "tolerations": [*tolerated, *theirs]}
    )


def pod_template(owner: Owner, spec: Spec, pool: Pool, child: Child) -> dict[str, Any]:
    """The pod template of a new revision, within the restricted Pod Security standard."""
    drain = seconds(spec.rollback.drain_timeout)
    free, context_class = _free(owner, spec, pool, child), pool.context_class or STANDARD
    return closed_form(owner, child, drain, free, context_class, _placement(pool))


def pod_security() -> dict[str, Any]:
    """What the restricted Pod Security standard asks of a pod. Made anew each time: callers own what they get."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> dict[str, Any]:
    """What it asks of a container, and a root file system that nobody writes."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def closed_form(
    owner: Owner,
    child: Child,
    drain: int,
    free: Mapping[str, Any],
    context_class: str = STANDARD,
    placement: Placement = ANYWHERE,
) -> dict[str, Any]:
    """The one form that pod templates have: fixed but for ``free``, some fields of the container, and the rest."""
    labels = child_labels(owner, child, context_class)
    container: dict[str, Any] = {
        "name": CONTAINER,
        "imagePullPolicy": "IfNotPresent",
        "ports": [
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
        ],
        "startupProbe": _probe("/healthz", 3, STARTUP_SECONDS // 3),
        "livenessProbe": _probe("/healthz", 10, 6),
        "readinessProbe": _probe("/readyz", 2, 3),
        "securityContext": container_security(),
        "volumeMounts": mounts(placement, _folder(owner, child)),
    }
    return {
        "metadata": {"labels": labels},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": drain,
            "securityContext": pod_security() | {"fsGroup": USER},
            "containers": [container | dict(free)],
            **pod_fields(placement, labels),
        },
    }


def _folder(owner: Owner, child: Child) -> str:
    """Of a revision's compiled programs. No name holds the sign between them: `a-b` and `c` are not `a` and `b-c`."""
    return "_".join((owner.name, child.pool, child.revision))


def controller_revision(owner: Owner, child: Child, template: Mapping[str, Any]) -> Manifest:
    """The record of a revision's template."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata_of(owner, child_name(owner.name, child.pool, child.revision), _labels(template)),
        "data": {"template": dict(template)},
        "revision": 1,
    }


def recorded_template(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The pod template in a ControllerRevision's body, or None if it holds none."""
    data = body.get("data")
    template = data.get("template") if isinstance(data, Mapping) else None
    return dict(template) if isinstance(template, Mapping) else None


def deployment(
    owner: Owner, child: Child, template: Mapping[str, Any], replicas: int, *, stable: bool = False
) -> Manifest:
    """The Deployment of a revision. Its template never changes, so it never rolls by itself."""
    labels = _labels(template)
    metadata = metadata_of(owner, child_name(owner.name, child.pool, child.revision), labels)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata | ({"annotations": {ROLE: STABLE}} if stable else {}),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": labels},
            "template": dict(template),
        },
    }


def is_marked_stable(body: Mapping[str, Any]) -> bool:
    """Whether a Deployment was stable's when it was last written."""
    return bool((body["metadata"].get("annotations") or {}).get(ROLE) == STABLE)


def _service(owner: Owner, name: str, labels: Mapping[str, str]) -> Manifest:
    """By chance over all pods that are ready: defaults of the API, written out so that an edit of one is put back."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata_of(owner, name, labels),
        "spec": {
            "type": "ClusterIP",
            "selector": dict(labels),
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
            "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster",
            "publishNotReadyAddresses": False,
        },
    }


def _labels(template: Mapping[str, Any]) -> dict[str, str]:
    """Labels of a revision's pods, as they were recorded."""
    return dict(template["metadata"]["labels"])


def revision_service(owner: Owner, child: Child, template: Mapping[str, Any]) -> Manifest:
    """The Service of one revision's pods alone, which a route names; without a gateway users call the class's."""
    return _service(owner, child_name(owner.name, child.pool, child.revision), _labels(template))


def disruption_budget(owner: Owner, child: Child, template: Mapping[str, Any], max_unavailable: int) -> Manifest:
    """Keeps evictions from taking more of a revision's pods at once. One that is not ready may always be taken."""
    labels = _labels(template)
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata_of(owner, child_name(owner.name, child.pool, child.revision), labels),
        "spec": {
            "maxUnavailable": max_unavailable,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": labels},
        },
    }


def class_service(owner: Owner, context_class: str = STANDARD) -> Manifest:
    """The Service that users call: every pod of the class, in all pools and revisions of this rollout."""
    return _service(owner, f"{owner.name}-{context_class}", class_labels(owner, context_class))
