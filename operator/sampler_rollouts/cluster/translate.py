"""From what the API server says of children and pods to what the decision reads. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

from sampler_rollouts.cluster.kinds import labels, metadata, terminating, told_replicas
from sampler_rollouts.domain.observation import Ended, Observation, PodState, PreflightState, WorkloadState
from sampler_rollouts.domain.outcome import Manifest
from sampler_rollouts.domain.render import CONTAINER, LABEL_POOL, LABEL_REVISION, is_marked_stable, recorded_template
from sampler_rollouts.domain.render_preflight import (
    LABEL_PREFLIGHT_ATTEMPT,
    LABEL_PREFLIGHT_POOL,
    LABEL_PREFLIGHT_REVISION,
)
from sampler_rollouts.domain.render_probes import LABEL_COMPONENT
from sampler_rollouts.domain.render_standby import COMPONENT, SERVING

BLOCKED_REASONS: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
        "CreateContainerConfigError",
        "CreateContainerError",
        "CreatePodSandboxError",
        "ContainerCreating",
        "PodInitializing",
    }
)
"""Why a container waits, if the cluster is the cause (``CrashLoopBackOff``, ``RunContainerError`` are the build's)."""

_BLOCKED_PODS: Final = frozenset({"Unschedulable", "SchedulingGated", "SchedulerError"})
_MESSAGE: Final = 300


def observation(
    deployments: Iterable[Manifest],
    revisions: Iterable[Manifest],
    pods: Iterable[Manifest],
    services: Iterable[Manifest] = (),
) -> Observation:
    """One look at the children of one SamplerRollout; pods without our labels or without a controller are not ours.

    Nor is a pod that has ended (evicted, node shut down): its ReplicaSet has replaced it, and leaves it lying about. It
    says why, and no more.
    """
    alive = [item for item in deployments if not terminating(item)]
    every = [pod for pod in pods if _has_controller(pod)]
    pods, over = [pod for pod in every if not _over(pod)], [pod for pod in every if _over(pod)]
    own = [item for item in alive if _labelled(item) and not stands_by(item)]
    return Observation(
        pods=tuple(_pod(pod, _place(pod)) for pod in pods if _labelled(pod)),
        workloads=tuple(_workload(item, over) for item in own),
        standbys=tuple(_workload(item, over) for item in alive if _labelled(item) and stands_by(item)),
        templates={
            _pool_revision(item): template
            for item in revisions
            if _labelled(item) and (template := recorded_template(item)) is not None
        },
        live_templates={_pool_revision(item): (item.get("spec") or {}).get("template") or {} for item in own},
        services={
            metadata(item)["name"]: (item.get("spec") or {}).get("selector") or {}
            for item in services
            if not terminating(item)
        },
        preflights=tuple(_preflight(item, pods, over) for item in alive if _examined(item)),
    )


def _place(obj: Manifest) -> tuple[str, str]:
    """Pool and revision of a server's objects."""
    return labels(obj)[LABEL_POOL], labels(obj)[LABEL_REVISION]


def _examined(obj: Manifest) -> tuple[str, str] | None:
    """Pool and revision that a preflight's objects are about; None of any other."""
    place = labels(obj).get(LABEL_PREFLIGHT_POOL, ""), labels(obj).get(LABEL_PREFLIGHT_REVISION, "")
    return place if all(place) and not _labelled(obj) else None


def _preflight(deployment: Manifest, pods: Iterable[Manifest], over: Iterable[Manifest]) -> PreflightState:
    place = _examined(deployment) or ("", "")
    mine = (pod for pod in pods if _examined(pod) == place)
    found = tuple(replace(_pod(pod, place), attempt=labels(pod).get(LABEL_PREFLIGHT_ATTEMPT, "")) for pod in mine)
    ended = _newest(pod for pod in over if _examined(pod) == place)
    return PreflightState(*place, refused=_refused(deployment), pods=found, ended=ended)


def stands_by(obj: Manifest) -> bool:
    """Whether it is a Deployment whose pods stand by, or such a pod."""
    return labels(obj).get(LABEL_COMPONENT) == COMPONENT


def _labelled(obj: Manifest) -> bool:
    return LABEL_POOL in labels(obj) and LABEL_REVISION in labels(obj)


def _has_controller(pod: Manifest) -> bool:
    owners: list[dict[str, Any]] = metadata(pod).get("ownerReferences") or []
    return any(owner.get("controller") and owner.get("kind") == "ReplicaSet" for owner in owners)


def _over(pod: Manifest) -> bool:
    return (pod.get("status") or {}).get("phase") in {"Failed", "Succeeded"}


def _pool_revision(obj: Manifest) -> str:
    return f"{labels(obj)[LABEL_POOL]}-{labels(obj)[LABEL_REVISION]}"


def _newest(over: Iterable[Manifest]) -> Ended | None:
    """Of pods that have ended: why it was, in the kubelet's words. A program's own are not told (R26)."""
    times = ((datetime.fromisoformat(metadata(pod)["creationTimestamp"]), pod) for pod in over)
    created_at, pod = max(times, key=itemgetter(0), default=(None, {}))
    status = pod.get("status") or {}
    said = f"{status.get('reason') or ''}: {status.get('message') or ''}".strip(": ")
    return Ended(created_at, _cut(said)) if created_at is not None else None


def _workload(deployment: Manifest, over: Iterable[Manifest]) -> WorkloadState:
    place, kind = _place(deployment), stands_by(deployment)
    return WorkloadState(
        *place,
        replicas=told_replicas(deployment),
        refused=_refused(deployment),
        stable=is_marked_stable(deployment),
        ended=_newest(pod for pod in over if _labelled(pod) and _place(pod) == place and stands_by(pod) is kind),
    )


def _refused(deployment: Manifest) -> str:
    """Why the cluster does not create this Deployment's pods: admission or quota; empty if it does."""
    failure = _condition(deployment, "ReplicaFailure")
    return _cut(failure.get("message") or failure.get("reason") or "") if failure.get("status") == "True" else ""


def _pod(pod: Manifest, place: tuple[str, str]) -> PodState:
    blocked, message = _blocked(pod)
    return PodState(
        name=metadata(pod)["name"],
        pool=place[0],
        revision=place[1],
        created_at=datetime.fromisoformat(metadata(pod)["creationTimestamp"]),
        ready=_condition(pod, "Ready").get("status") == "True" and not terminating(pod),
        terminating=terminating(pod),
        # The build's own container alone: a sidecar that somebody injected is not the build.
        restarts=max((_exits(status) for status in _containers(pod) if status.get("name") == CONTAINER), default=0),
        blocked=blocked,
        message=message or _last_words(pod),
        address=str((pod.get("status") or {}).get("podIP") or ""),
        standby=stands_by(pod),
        held=stands_by(pod) and _condition(pod, SERVING).get("status") != "True",
        able=_condition(pod, "ContainersReady").get("status") == "True",
        unready_since=_unready_since(pod),
        ready_since=_ready_since(pod),
    )


def _unready_since(pod: Manifest) -> datetime | None:
    """When it ceased to be ready, or later, when its container began to run."""
    ready = _condition(pod, "Ready")
    if ready.get("status") == "True":
        return None
    own = (one for one in _containers(pod) if one.get("name") == CONTAINER)
    started = (((one.get("state") or {}).get("running") or {}).get("startedAt") for one in own)
    times = [ready.get("lastTransitionTime"), *started]
    return max((datetime.fromisoformat(time) for time in times if time), default=None)


def _ready_since(pod: Manifest) -> datetime | None:
    ready = _condition(pod, "Ready")
    time = ready.get("lastTransitionTime") if ready.get("status") == "True" else None
    return datetime.fromisoformat(time) if time else None


def _blocked(pod: Manifest) -> tuple[str, str]:
    """The infrastructure's reason why the pod has not started, and its message."""
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") in _BLOCKED_PODS:
        return scheduled["reason"], _cut(scheduled.get("message") or "")
    for status in _containers(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in BLOCKED_REASONS:
            return waiting["reason"], _cut(waiting.get("message") or "")
    if not any(_containers(pod)) and _condition(pod, "Ready").get("status") != "True":
        # The scheduler or the node has not taken it up, or is down: nothing of the build ever ran.
        node = (pod.get("spec") or {}).get("nodeName")
        return "NotTakenUp", f"node {node} has started no container of it" if node else "no node was chosen for it"
    return "", ""


def _last_words(pod: Manifest) -> str:
    """How a container ended last. Reason and exit code only: a termination message is the program's own text (R26)."""
    for status in _containers(pod):
        ended = _ended(status)
        if ended and _exits(status):
            return f"{ended.get('reason') or 'Error'}, exit code {ended.get('exitCode')}"
    return ""


def _exits(status: dict[str, Any]) -> int:
    """How often the container has ended: the kubelet's restart count lags one behind while none is running.

    An init container that ended well has done its work, and counts nothing.
    """
    now = status.get("state") or {}
    if (now.get("terminated") or {}).get("exitCode") == 0 and status.get("init"):
        return int(status.get("restartCount", 0))
    down = "terminated" in now or ("waiting" in now and "terminated" in (status.get("lastState") or {}))
    return int(status.get("restartCount", 0)) + int(down)


def _ended(status: dict[str, Any]) -> dict[str, Any]:
    for state in (status.get("state"), status.get("lastState")):
        if (state or {}).get("terminated"):
            return dict((state or {})["terminated"])
    return {}


def _containers(pod: Manifest) -> Iterator[dict[str, Any]]:
    status = pod.get("status") or {}
    for container in status.get("initContainerStatuses") or []:
        yield {**container, "init": True}
    yield from status.get("containerStatuses") or []


def _condition(obj: Manifest, name: str) -> dict[str, Any]:
    conditions: list[dict[str, Any]] = (obj.get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition.get("type") == name), {})


def _cut(text: str) -> str:
    return text if len(text) <= _MESSAGE else text[: _MESSAGE - 1] + "…"
