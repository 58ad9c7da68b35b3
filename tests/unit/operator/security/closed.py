"""What may be rendered of a spec, whatever it says: one closed form, and in it only what an author may choose."""

from __future__ import annotations

import json
from typing import Any

from sampler_rollouts.domain import render
from sampler_rollouts.domain.placement import Placement, read_placement
from sampler_rollouts.domain.pool import STANDARD
from sampler_rollouts.domain.records import is_closed
from sampler_rollouts.domain.release import revisions
from sampler_rollouts.domain.resource import Spec

OWNER = render.Owner("default", "chat", "uid-1")
FREE = {"image", "env", "args", "resources"}
"""What of a container an author chooses."""


def closed(spec: Spec) -> None:
    """Of every pool; an AssertionError says what is not."""
    for name, revision in revisions(spec).items():
        _closed(spec, name, revision)


def _closed(spec: Spec, name: str, revision: str) -> None:
    child, pool = render.Child(name, revision), spec.pool(name)
    assert pool is not None
    template = render.pod_template(OWNER, spec, pool, child)
    assert is_closed(OWNER, child, template)
    (container,) = template["spec"]["containers"]
    drain = template["spec"]["terminationGracePeriodSeconds"]
    _restricted(template["spec"], f"chat_{name}_{revision}")
    free = {key: container.pop(key) for key in FREE & container.keys()}
    placed = Placement.model_validate(read_placement(template["spec"]))
    assert template == render.closed_form(OWNER, child, drain, {}, pool.context_class or STANDARD, placed)
    assert all(set(one) == {"name", "value"} or one == render.POD_NAME for one in free["env"])
    names = [one["name"] for one in free["env"]]
    assert len(names) == len(set(names)), "a later variable would win over the operator's"
    assert free["resources"].keys() <= {"requests", "limits"} if "resources" in free else True
    assert "@sha256:" in free["image"] or spec.allow_image_tags
    assert len(json.dumps(free)) < 1 << 20


POD = {
    "automountServiceAccountToken", "enableServiceLinks", "terminationGracePeriodSeconds", "securityContext",
    "containers", "volumes", "topologySpreadConstraints", "nodeSelector", "tolerations", "imagePullSecrets",
}  # fmt: skip
CONTAINER = FREE | {
    "name", "imagePullPolicy", "ports", "startupProbe", "livenessProbe", "readinessProbe", "securityContext",
    "volumeMounts",
}  # fmt: skip


def _restricted(pod: dict[str, Any], folder: str) -> None:
    """The Pod Security level, said a second time: these fields and no other, and these values."""
    (container,) = pod["containers"]
    assert pod.keys() <= POD
    assert container.keys() <= CONTAINER
    assert pod["automountServiceAccountToken"] is False
    assert pod["volumes"][0] == {"name": "tmp", "emptyDir": {}}
    mounted = {mount["name"]: mount for mount in container["volumeMounts"]}
    for volume in pod["volumes"][1:]:
        (kind,) = volume.keys() - {"name"}
        assert kind == "persistentVolumeClaim" or volume[kind].keys() == {"sizeLimit"}
        # Of what others have too, one folder at most is written.
        mount = mounted[volume["name"]]
        assert kind == "emptyDir" or mount.get("readOnly") or mount["subPath"] == folder
    assert not [item for item in pod.get("tolerations", ()) if "kubernetes.io/" in item["key"]]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all("hostPort" not in port for port in container["ports"])
