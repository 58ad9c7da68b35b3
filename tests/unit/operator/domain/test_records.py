"""What earlier versions recorded is taken for ever; a forged record is not, whatever release it is of (R25)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from sampler_rollouts.domain import render
from sampler_rollouts.domain.pool import STANDARD
from sampler_rollouts.domain.records import is_closed
from sampler_rollouts.domain.release import revision
from sampler_rollouts.domain.resource import parse_spec

from tests.support.examples import examples
from tests.unit.operator.domain.histories import specs
from tests.unit.operator.domain.story import rolling
from tests.unit.operator.domain.world import World, established, passing, pool, spec

OWNER = render.Owner("serving", "chat", "uid-1")
CHILD = render.Child("cpu-a", "0123456789")
LABELS = {
    "samplerrollouts.io/rollout": "chat",
    "samplerrollouts.io/context-class": "standard",
    "samplerrollouts.io/pool": "cpu-a",
    "samplerrollouts.io/revision": "0123456789",
}
Forge = Callable[[dict[str, Any]], Any]


def probe(path: str, period: int, failures: int) -> dict[str, Any]:
    get = {"path": path, "port": "http"}
    return {"httpGet": get, "periodSeconds": period, "failureThreshold": failures, "timeoutSeconds": 5}


CLAIM = {"persistentVolumeClaim": {"claimName": "programs"}}


def cached(template: dict[str, Any], volume: dict[str, Any], **mount: str) -> None:
    template["spec"]["volumes"].append({"name": "compile-cache"} | volume)
    mounted = {"name": "compile-cache", "mountPath": "/compile-cache"} | mount
    template["spec"]["containers"][0]["volumeMounts"].append(mounted)


def first_form() -> dict[str, Any]:
    """What the first version recorded, written out: it must be accepted for ever, or an upgrade loses the records."""
    env = {
        "SAMPLER_REVISION": "0123456789", "SAMPLER_POOL": "cpu-a", "SAMPLER_ROLLOUT": "chat",
        "SAMPLER_PRECISION": "bfloat16", "SAMPLER_AUDIT_SHARE": "0.0000000001", "SAMPLER_DRAIN_TIMEOUT": "2",
    }  # fmt: skip
    downward = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}
    container = {
        "name": "sampler",
        "image": f"registry.example.com:5000/sampler@sha256:{'a' * 64}",
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": name, "value": value} for name, value in env.items()]
        + [downward, {"name": "MINE", "value": ""}],
        "ports": [
            {"name": "http", "containerPort": 8000, "protocol": "TCP"},
            {"name": "metrics", "containerPort": 9090, "protocol": "TCP"},
        ],
        "startupProbe": probe("/healthz", 3, 300),
        "livenessProbe": probe("/healthz", 10, 6),
        "readinessProbe": probe("/readyz", 2, 3),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        "args": ["serve"],
        "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "1Gi"}},
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": dict(LABELS)},
    }
    ids = {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 2,
        "securityContext": ids | {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "topologySpreadConstraints": [spread],
    }
    return {"metadata": {"labels": dict(LABELS)}, "spec": pod}


def one(template: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = template["spec"]["containers"][0]
    return container


SECRET = {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
FORGED: dict[str, Forge] = {
    "another service account": lambda t: t["spec"].update(serviceAccountName="admin"),
    "its token": lambda t: t["spec"].update(automountServiceAccountToken=True),
    "host processes": lambda t: t["spec"].update(hostPID=True),
    "host network": lambda t: t["spec"].update(hostNetwork=True),
    "the node": lambda t: t["spec"].update(nodeName="control-plane"),
    "root": lambda t: t["spec"]["securityContext"].update(runAsUser=0),
    "no pod security": lambda t: t["spec"].pop("securityContext"),
    "privileged": lambda t: one(t)["securityContext"].update(privileged=True),
    "a pod name that is told": lambda t: one(t)["env"].__setitem__(6, {"name": "POD_NAME", "value": "x"}),
    "another drain": lambda t: one(t)["env"][5].update(value="600"),
    "a host path": lambda t: t["spec"]["volumes"].append({"name": "root", "hostPath": {"path": "/"}}),
    "a host path for tmp": lambda t: t["spec"].update(volumes=[{"name": "tmp", "hostPath": {"path": "/"}}]),
    "a mount": lambda t: one(t)["volumeMounts"].append({"name": "tmp", "mountPath": "/etc"}),
    "a second container": lambda t: t["spec"]["containers"].append(dict(one(t), name="more")),
    "an init container": lambda t: t["spec"].update(initContainers=[one(t)]),
    "an ephemeral container": lambda t: t["spec"].update(ephemeralContainers=[one(t)]),
    "another name": lambda t: one(t).update(name="other"),
    "a command": lambda t: one(t).update(command=["sh"]),
    "a hook": lambda t: one(t).update(lifecycle={"preStop": {"exec": {"command": ["sh"]}}}),
    "a probe that runs something": lambda t: one(t)["livenessProbe"].update(exec={"command": ["sh"]}),
    "a host port": lambda t: one(t)["ports"][0].update(hostPort=8000),
    "a secret": lambda t: one(t)["env"][-1].update(valueFrom={"secretKeyRef": {"name": "s", "key": "k"}}),
    "a secret for a setting": lambda t: one(t)["env"][3].update(valueFrom={"secretKeyRef": {"name": "s", "key": "k"}}),
    "a whole secret": lambda t: one(t).update(envFrom=[{"secretRef": {"name": "s"}}]),
    "a variable of ours twice": lambda t: one(t)["env"].append({"name": "SAMPLER_REVISION", "value": "x"}),
    "another revision's name": lambda t: one(t)["env"][0].update(value="9876543210"),
    "a variable of ours missing": lambda t: one(t)["env"].pop(3),
    "no variables": lambda t: one(t).update(env=[]),
    "a claim": lambda t: one(t)["resources"].update(claims=[{"name": "device"}]),
    "another rollout's label": lambda t: t["metadata"]["labels"].update({"samplerrollouts.io/rollout": "other"}),
    "an annotation": lambda t: t["metadata"].update(annotations={"a": "b"}),
    "another key": lambda t: t.update(kind="Pod"),
    "endless grace": lambda t: t["spec"].update(terminationGracePeriodSeconds=10**9),
    "no image": lambda t: one(t).pop("image"),
    "no containers": lambda t: t["spec"].update(containers=[]),
    "containers that are none": lambda t: t["spec"].update(containers=3),
    "no pod": lambda t: t.pop("spec"),
    "a pod that is none": lambda t: t.update(spec=None),
    "an image that is none": lambda t: one(t).update(image=None),
    "a grace that is a text": lambda t: t["spec"].update(terminationGracePeriodSeconds="60"),
    "another class's label": lambda t: t["metadata"]["labels"].update({"samplerrollouts.io/context-class": "long"}),
    "a class that is no label": lambda t: t["metadata"]["labels"].update({"samplerrollouts.io/context-class": "A b"}),
    "a class that is none": lambda t: t["metadata"]["labels"].update({"samplerrollouts.io/context-class": None}),
    "one variable of a class": lambda t: one(t)["env"].append({"name": "SAMPLER_CONTEXT_CLASS", "value": "standard"}),
    "no labels": lambda t: t["metadata"].update(labels={}),
    "a second container of another form": lambda t: t["spec"]["containers"].append({"name": "x", "image": "x"}),
    "a host path before tmp": lambda t: t["spec"]["volumes"].insert(0, {"name": "host", "hostPath": {"path": "/"}}),
    "a mount of it": lambda t: one(t)["volumeMounts"].insert(0, {"name": "host", "mountPath": "/host"}),
    "devices of others": lambda t: one(t)["env"].append({"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}),
    "control planes": lambda t: t["spec"].update(
        tolerations=[{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]
    ),
    "every node": lambda t: t["spec"].update(tolerations=[{"operator": "Exists"}]),
    "a toleration of its own form": lambda t: t["spec"].update(tolerations=[{"key": "a"}]),
    "a claim that is written": lambda t: (
        t["spec"]["volumes"].append({"name": "models", "persistentVolumeClaim": {"claimName": "c"}}),
        one(t)["volumeMounts"].append({"name": "models", "mountPath": "/models"}),
    ),
    "a secret for models": lambda t: (
        t["spec"]["volumes"].append({"name": "models", "secret": {"secretName": "s"}}),
        one(t)["volumeMounts"].append({"name": "models", "mountPath": "/models", "readOnly": True}),
    ),
    "a claim beside a secret": lambda t: (
        t["spec"]["volumes"].append(
            {
                "name": "models",
                "persistentVolumeClaim": {"claimName": "c", "readOnly": True},
                "secret": {"secretName": "s"},
            }
        ),
        one(t)["volumeMounts"].append({"name": "models", "mountPath": "/models", "readOnly": True}),
    ),
    "another revision's programs": lambda t: cached(t, CLAIM, subPath="chat_cpu-a_9876543210"),
    "all revisions' programs": lambda t: cached(t, CLAIM),
    "programs by an expression": lambda t: cached(t, CLAIM, subPathExpr="chat_cpu-a_0123456789"),
    "programs of the node": lambda t: cached(t, {"hostPath": {"path": "/"}}),
    "programs somewhere else": lambda t: cached(t, {"emptyDir": {"sizeLimit": "1Gi"}}, mountPath="/app"),
    "programs without a limit": lambda t: cached(t, {"emptyDir": {}}),
    "programs in memory": lambda t: cached(t, {"emptyDir": {"sizeLimit": "1Gi", "medium": "Memory"}}),
    "labels that are none": lambda t: t["spec"].update(nodeSelector={"a": 1}),
    "labels with blanks": lambda t: t["spec"].update(nodeSelector={"a b": "c"}),
    "pull secrets that are none": lambda t: t["spec"].update(imagePullSecrets=["s"]),
    "a pull secret twice": lambda t: t["spec"].update(imagePullSecrets=[{"name": "s"}, {"name": "s"}]),
    "a spread of other pods": lambda t: t["spec"]["topologySpreadConstraints"][0].update(
        labelSelector={"matchLabels": {}}
    ),
    "no spread": lambda t: t["spec"].update(topologySpreadConstraints=[]),
    "volumes that are none": lambda t: t["spec"].update(volumes=None),
    "a node's affinity": lambda t: t["spec"].update(affinity={"nodeAffinity": {}}),
    "one more secret": lambda t: one(t)["env"].insert(0, SECRET),
}


def test_the_first_versions_record_is_accepted() -> None:
    assert is_closed(OWNER, CHILD, first_form())


def test_a_later_versions_variable_is_accepted_once() -> None:
    template = first_form()
    one(template)["env"].insert(6, {"name": "SAMPLER_VOCAB_SHARDS", "value": "4"})
    assert is_closed(OWNER, CHILD, template)
    one(template)["env"].append({"name": "SAMPLER_VOCAB_SHARDS", "value": "1"})
    assert not is_closed(OWNER, CHILD, template)


@pytest.mark.parametrize("name", FORGED)
def test_anything_else_is_refused(name: str) -> None:
    template = first_form()
    FORGED[name](template)
    assert not is_closed(OWNER, CHILD, template)


@settings(max_examples=examples(30), deadline=None)
@given(specs())
def test_what_is_rendered_is_always_accepted(raw: dict[str, Any]) -> None:
    parsed = parse_spec(raw)
    for each in parsed.pools:
        child = render.Child(each.name, revision(parsed, each))
        assert is_closed(OWNER, child, render.pod_template(OWNER, parsed, each, child))


def test_args_variables_and_resources_are_the_authors() -> None:
    rich = {
        "args": ["--fast"],
        "env": [{"name": "A", "value": "1"}],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}},
    }
    parsed = parse_spec(spec() | {"pools": [pool("cpu-a") | {"template": rich}], "strategy": {}})
    assert is_closed(OWNER, CHILD, render.pod_template(OWNER, parsed, parsed.pools[0], CHILD))


def test_a_place_is_the_authors() -> None:
    template = first_form()
    template["spec"] |= {
        "nodeSelector": {"cloud.google.com/gke-tpu-topology": "2x2"},
        "tolerations": [{"key": "google.com/tpu", "operator": "Exists", "effect": "NoSchedule"}],
        "imagePullSecrets": [{"name": "registry"}],
    }
    template["spec"]["volumes"].append(
        {"name": "models", "persistentVolumeClaim": {"claimName": "c", "readOnly": True}}
    )
    one(template)["volumeMounts"].append({"name": "models", "mountPath": "/models", "readOnly": True})
    assert is_closed(OWNER, CHILD, template)


@pytest.mark.parametrize(
    ("volume", "mount"), [(CLAIM, {"subPath": "chat_cpu-a_0123456789"}), ({"emptyDir": {"sizeLimit": "1Gi"}}, {})]
)
def test_its_own_programs_are_a_revisions(volume: dict[str, Any], mount: dict[str, str]) -> None:
    template = first_form()
    cached(template, volume, **mount)
    assert is_closed(OWNER, CHILD, template)


def test_another_pools_or_rollouts_record_is_refused() -> None:
    assert not is_closed(OWNER, render.Child("cpu-b", CHILD.revision), first_form())
    assert not is_closed(render.Owner("serving", "other", "uid-1"), CHILD, first_form())


def test_a_record_forged_before_anything_runs_gives_no_pod() -> None:
    world = World(spec())
    evil = {"hostPID": True, "containers": [{"name": "x", "image": "evil"}]}
    parsed = parse_spec(world.spec)
    for each in parsed.pools:
        child = render.Child(each.name, revision(parsed, each))
        labels = render.child_labels(world.meta.owner, child, STANDARD)
        template = {"metadata": {"labels": labels}, "spec": evil}
        record = render.controller_revision(world.meta.owner, child, template)
        world.children["ControllerRevision", record["metadata"]["name"]] = record
    made = [item["spec"]["template"] for item in world.decide().objects if item["kind"] == "Deployment"]
    assert made
    assert not [template for template in made if "hostPID" in template["spec"]]


def forge(world: World, child: str) -> dict[str, Any]:
    record: dict[str, Any] = world.children["ControllerRevision", child]
    record["data"] = copy.deepcopy(record["data"])
    record["data"]["template"]["spec"] |= {"serviceAccountName": "admin", "hostPID": True}
    return record


def test_a_forged_record_of_the_specs_revision_is_written_anew() -> None:
    world = established()
    child = f"demo-cpu-a-{world.revision_of('stable')}"
    forge(world, child)
    outcome = world.tick()
    assert "hostPID" not in str(outcome.objects)
    assert "hostPID" not in str(world.children)
    assert ("Deployment", child) in world.children


def test_a_forged_record_of_another_revision_is_never_used() -> None:
    world = rolling()
    child = f"demo-cpu-a-{world.revision_of('stable')}"
    forge(world, child)
    outcome = world.tick()
    assert "hostPID" not in str(outcome.objects)
    assert outcome.keep == frozenset({child})


def test_a_forged_record_of_a_release_without_pods_is_not_written_back() -> None:
    world = rolling()
    child = f"demo-cpu-a-{world.revision_of('stable')}"
    world.judge = passing
    world.until("Serving")
    world.run(20)
    assert ("Deployment", child) not in world.children
    forge(world, child)
    assert "hostPID" not in str(world.tick().objects)
