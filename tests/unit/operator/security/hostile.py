"""A spec that uses every field, and what somebody who wants more than his due would write into it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from tests.unit.operator.crd.bad import IMAGE

Spec = dict[str, Any]
Path = tuple[str | int, ...]

ESCALATIONS: dict[str, Any] = {
    "hostNetwork": True,
    "hostPID": True,
    "hostIPC": True,
    "hostUsers": False,
    "nodeName": "control-plane",
    "serviceAccountName": "cluster-admin",
    "automountServiceAccountToken": True,
    "securityContext": {"privileged": True, "runAsUser": 0},
    "volumes": [{"name": "root", "hostPath": {"path": "/"}}],
    "volumeMounts": [{"name": "root", "mountPath": "/host"}],
    "hostPath": {"path": "/"},
    "containers": [{"name": "shell", "image": "shell"}],
    "initContainers": [{"name": "shell", "image": "shell"}],
    "ephemeralContainers": [{"name": "shell", "image": "shell"}],
    "command": ["/bin/sh", "-c", "id"],
    "lifecycle": {"postStart": {"exec": {"command": ["id"]}}},
    "livenessProbe": {"exec": {"command": ["id"]}},
    "envFrom": [{"secretRef": {"name": "root-password"}}],
    "valueFrom": {"secretKeyRef": {"name": "root-password", "key": "password"}},
    "imagePullSecrets": [{"name": "registry"}],
    "tolerations": [{"operator": "Exists"}],
    "priorityClassName": "system-cluster-critical",
    "runtimeClassName": "none",
    "resourceClaims": [{"name": "gpu"}],
    "metadata": {"namespace": "kube-system", "labels": {"app": "other"}},
    "labels": {"samplerrollouts.io/rollout": "other"},
    "annotations": {"container.apparmor.security.beta.kubernetes.io/sampler": "unconfined"},
    "namespace": "kube-system",
    "ownerReferences": [],
    "selector": {"app": "other"},
    "externalIPs": ["10.0.0.1"],
    "externalName": "metadata.internal",
    "url": "http://169.254.169.254/latest/meta-data",
    "query": "up or vector(1)",
    "promql": "up",
    "bearerTokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token",
    "insecureSkipVerify": True,
}
"""Fields that would give rights, addresses or queries, each as the objects that know it spell it."""

TEXTS = (
    "",
    " ",
    "\x00",
    "\x1b[2J\x1b[31mgone",
    "a\nb: c",
    "../../../etc/passwd",
    "$(SECRET) ${SECRET} `id`",
    "{{ .Values.x }}{% raw %}",
    'errors"} or vector(1) #',
    "errors|.*",
    ".*",
    "http://169.254.169.254/latest/meta-data",
    "kube-system/secret",
    "\U0001d588\U0001d595\U0001d59a",
    "\u202ecpu",
    "-",
    "--privileged",
    "POD_NAME",
    "SAMPLER_REVISION",
    "0x10",
    "1e309",
    "-1%",
    "NaN",
    "99999999999999999999h",
    "a" * 41,
    "a-" * 5000,
    "1" * 100_000,
)
NUMBERS = (-1, 0, 1, 2**31, 10**16, 2**63, 2**200, -(2**63), 0.5, 1e308, float("inf"), float("nan"))
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], {"": ""}, [None] * 1000, {"a": {"b": {"c": []}}})
HOSTILE = (*TEXTS, *NUMBERS, *OTHERS)
"""What is tried at every place."""


def full() -> Spec:
    """Every field of the resource, each with a value that is right."""
    return copy.deepcopy(_FULL)


_FULL: Spec = {
    "routing": {
        "contextClasses": [{"name": "standard", "maxTokens": 200}, {"name": "long", "maxTokens": 1000}],
        "gateway": {
            "parentRefs": [{"name": "edge", "namespace": "infra", "sectionName": "http"}],
            "hostnames": ["api.example.com"],
        },
        "routes": [
            {
                "contextClass": "standard",
                "to": [{"pool": "cpu-a", "share": "99.2%"}, {"pool": "tpu-b", "share": "0.8%"}],
            }
        ],
        "session": {"affinity": "Cookie"},
    },
    "pools": [
        {
            "name": "cpu-a",
            "platform": "cpu",
            "contextClass": "standard",
            "replicas": 4,
            "disruptionBudget": {"maxUnavailable": 1},
            "image": IMAGE,
            "sampler": {"precision": "float32", "vocabShards": 2, "auditShare": "1%"},
            "template": {
                "env": [{"name": "ONE", "value": "1"}],
                "args": ["serve"],
                "resources": {"requests": {"cpu": "1", "memory": 1024}, "limits": {"memory": "2Gi", "a.b/c": 1}},
                "nodeSelector": {"example.com/pool": "samplers"},
                "tolerations": [{"key": "example.com/pool", "value": "samplers", "effect": "NoSchedule"}],
                "topologySpread": [
                    {"topologyKey": "topology.kubernetes.io/zone", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"}
                ],
                "pullSecrets": ["registry"],
                "models": {"claimName": "smollm2"},
                "compileCache": {"claimName": "programs"},
            },
        },
        {
            "name": "tpu-b",
            "platform": "tpu",
            "accelerator": "tpu-v6e-slice",
            "topology": "2x2",
            "contextClass": "long",
            "replicas": 1,
            "image": IMAGE,
            "template": {"compileCache": {"sizeLimit": "512Mi"}},
        },
    ],
    "strategy": {
        "waves": [["cpu-a"], ["tpu-b"]],
        "steps": [{"weight": 10, "minDuration": "5m"}, {"pause": {}}, {"weight": 50, "minDuration": "5m"}],
        "preflight": {"budget": "20s", "timeout": "4m", "compareWithStable": True},
        "progressDeadline": "10m",
        "deadline": "6h",
        "bakeTime": "24h",
    },
    "quality": {
        "designEffect": "1.5",
        "metricsSource": "default",
        "falseRollbackRate": "1%",
        "passConfidence": "95%",
        "checks": [
            {"name": "errors", "maxRate": "1%", "maxRatio": "2", "ignoreBelow": "0.1%"},
            {"name": "latency", "slowerThan": "2.5s", "maxRatio": "2", "ignoreBelow": "1%"},
            {"name": "calibration", "maxBiasNats": "0.05"},
            {"name": "my-eval", "template": "eval-score", "maxDrop": "2%", "mode": "Report"},
        ],
        "probes": {"requestsPerSecond": "1", "image": IMAGE},
    },
    "rollback": {"scope": "Pool", "onInconclusive": "Hold", "drainTimeout": "60s", "warmReplicas": 1},
    "paused": False,
    "retryGeneration": 1,
    "allowImageTags": False,
}


def places(node: Any, path: Path = ()) -> Iterator[Path]:
    """The path of every value, objects and lists too."""
    yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, child in children:
        yield from places(child, (*path, name))


def at(spec: Any, path: Path) -> Any:
    """The value at a path."""
    for part in path:
        spec = spec[part]
    return spec


def put(spec: Spec, path: Path, value: Any) -> Spec:
    """The same spec with another value there."""
    changed = copy.deepcopy(spec)
    at(changed, path[:-1])[path[-1]] = value
    return changed


ALL_PLACES = list(places(full()))[1:]
OBJECTS = [path for path in places(full()) if isinstance(at(full(), path), dict)]
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=200), st.sampled_from(TEXTS)),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=20), inner, max_size=5)),
    max_leaves=20,
)


def is_due(path: Path, field: str) -> bool:
    """Whether a field with an escalation's name is a right one there, and gives nothing."""
    if (path[:3], field) == (("routing", "gateway", "parentRefs"), "namespace"):
        return True  # a Gateway of another namespace, which says itself whose routes it takes
    # A label of nodes, whatever somebody has called it.
    return path[-1:] == ("nodeSelector",) and isinstance(ESCALATIONS[field], str)


def _changed(changes: list[tuple[Path, Any]]) -> Spec:
    raw = full()
    for path, value in changes:
        try:
            raw = put(raw, path, value)
        except (KeyError, IndexError, TypeError):  # an earlier change took the place away
            continue
    return raw


SEVERAL = st.lists(st.tuples(st.sampled_from(ALL_PLACES), JSON), min_size=1, max_size=4).map(_changed)
"""Several places with anything."""


def without_nulls(node: Any) -> Any:
    """An API server drops what is null where that is not allowed, before it validates."""
    if isinstance(node, dict):
        return {key: without_nulls(value) for key, value in node.items() if value is not None}
    return [without_nulls(item) for item in node] if isinstance(node, list) else node
