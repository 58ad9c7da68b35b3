"""What the API server adds to an object, and what it refuses: defaults, immutable fields, the CRD's schema."""

from __future__ import annotations

import functools
from typing import Any

from pydantic import BaseModel, ValidationError
from sampler_rollouts import crd
from sampler_rollouts.cluster.errors import RefusedError
from sampler_rollouts.domain.resource import SpecError, parse_spec
from sampler_rollouts.domain.sampler_pool import SamplerPool, SamplerPoolStatus
from sampler_rollouts.domain.status import Status

Obj = dict[str, Any]
_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
_IMMUTABLE = {"deployments": ("selector",)}
_STATUSES: dict[str, type[BaseModel]] = {"samplerrollouts": Status, "samplerpools": SamplerPoolStatus}


def admit(plural: str, obj: Obj, live: Obj | None) -> Obj:
    """The object with its defaults; RefusedError if it breaks a rule."""
    _one_controller(obj)
    if plural == "deployments":
        _deployment(obj)
    elif plural == "services":
        _service(obj)
    elif plural == "samplerrollouts":
        _rollout(obj)
    elif plural == "samplerpools":
        _valid(SamplerPool, obj.get("spec"))
    for name in _IMMUTABLE.get(plural, ()) if live else ():
        if obj["spec"].get(name) != (live or {})["spec"].get(name):
            raise RefusedError(f"{plural}: spec.{name}: field is immutable")
    return obj


def _one_controller(obj: Obj) -> None:
    owners = obj["metadata"].get("ownerReferences") or []
    if sum(bool(owner.get("controller")) for owner in owners) > 1:
        raise RefusedError("Only one reference can have Controller set to true")


def _fill(target: Obj, **defaults: Any) -> None:
    for name, value in defaults.items():
        target.setdefault(name, value)


def _deployment(obj: Obj) -> None:
    spec = obj["spec"]
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    _fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy=rolling)
    if spec["replicas"] < 0:
        raise RefusedError("spec.replicas: Invalid value: must be greater than or equal to 0")
    selected = (spec.get("selector") or {}).get("matchLabels") or {}
    if not selected or not selected.items() <= (spec["template"]["metadata"].get("labels") or {}).items():
        raise RefusedError("spec.template.metadata.labels: `selector` does not match template `labels`")
    pod = spec["template"]["spec"]
    _fill(pod, restartPolicy="Always", dnsPolicy="ClusterFirst", schedulerName="default-scheduler")
    _fill(pod, terminationGracePeriodSeconds=30, securityContext={})
    for container in pod["containers"]:
        _fill(container, resources={}, imagePullPolicy="IfNotPresent")
        _fill(container, terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File")
        for port in container.get("ports") or []:
            _fill(port, protocol="TCP")
        for probe in (container[name] for name in _PROBES if name in container):
            _fill(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
            if "httpGet" in probe:
                _fill(probe["httpGet"], scheme="HTTP")


def _service(obj: Obj) -> None:
    spec = obj["spec"]
    _fill(spec, type="ClusterIP", sessionAffinity="None", internalTrafficPolicy="Cluster", clusterIP="10.0.0.1")
    _fill(spec, clusterIPs=[spec["clusterIP"]], ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    for port in spec.get("ports") or []:
        _fill(port, protocol="TCP", targetPort=port["port"])


def _rollout(obj: Obj) -> None:
    obj.setdefault("status", _copied(_schema()["properties"]["status"]["default"]))
    _defaults(obj.get("spec"), _schema()["properties"]["spec"])
    try:
        parse_spec(obj.get("spec") or {}, obj["metadata"]["name"])
    except SpecError as error:
        raise RefusedError(str(error)) from None


def admit_status(plural: str, status: Any) -> None:
    """The bounds of a definition's status."""
    if plural in _STATUSES:
        _valid(_STATUSES[plural], status or {})


def _valid(model: type[BaseModel], value: Any) -> None:
    try:
        model.model_validate(value)
    except ValidationError as error:
        raise RefusedError(str(error)) from None


@functools.cache
def _schema() -> Obj:
    (version,) = crd.definition()["spec"]["versions"]
    found: Obj = version["schema"]["openAPIV3Schema"]
    return found


def _defaults(value: Any, schema: Obj) -> None:
    """Structural defaulting: absent members that have a default, all the way down."""
    if isinstance(value, dict):
        for name, below in (schema.get("properties") or {}).items():
            if name not in value and "default" in below:
                value[name] = _copied(below["default"])
            if name in value:
                _defaults(value[name], below)
    elif isinstance(value, list):
        for item in value:
            _defaults(item, schema.get("items") or {})


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
