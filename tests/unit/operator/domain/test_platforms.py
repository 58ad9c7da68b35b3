"""What each platform adds to a pod, what an author may say in its place, and what stays as it was."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.domain import limits, render
from sampler_rollouts.domain.records import is_closed
from sampler_rollouts.domain.release import revision
from sampler_rollouts.domain.render_preflight import preflight_deployment
from sampler_rollouts.domain.resource import SpecError, parse_spec

from tests.unit.operator.domain.world import pool, spec

OWNER = render.Owner("serving", "chat", "uid-1")
TPU = {"platform": "tpu", "accelerator": "tpu-v6e-slice", "topology": "2x2"}
Pod = dict[str, Any]


def template(**more: Any) -> Pod:
    parsed = parse_spec(spec() | {"pools": [pool("one") | more], "strategy": {}})
    child = render.Child("one", revision(parsed, parsed.pools[0]))
    made = render.pod_template(OWNER, parsed, parsed.pools[0], child)
    assert is_closed(OWNER, child, made), "its own record would count as lost"
    return made


def pod(**more: Any) -> Pod:
    found: Pod = template(**more)["spec"]
    return found


def limits_of(**more: Any) -> Pod:
    (container,) = pod(**more)["containers"]
    found: Pod = container.get("resources", {}).get("limits", {})
    return found


def env_of(**more: Any) -> Pod:
    (container,) = pod(**more)["containers"]
    return {item["name"]: item.get("value") for item in container["env"]}


def tolerated(**more: Any) -> list[tuple[str, ...]]:
    return [
        tuple(item.get(k, "") for k in ("key", "operator", "effect")) for item in pod(**more).get("tolerations", [])
    ]


@pytest.mark.parametrize(
    ("more", "asked", "selector", "taint", "backend"),
    [
        ({"platform": "gpu"}, {"nvidia.com/gpu": "1"}, {}, "nvidia.com/gpu", "cuda"),
        (
            {"platform": "gpu", "accelerator": "NVIDIA-H100-80GB-HBM3", "sampler": {"vocabShards": 8}},
            {"nvidia.com/gpu": "8"},
            {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"},
            "nvidia.com/gpu",
            "cuda",
        ),
        (
            TPU,
            {"google.com/tpu": "4"},
            {
                "cloud.google.com/gke-tpu-accelerator": "tpu-v6e-slice",
                "cloud.google.com/gke-tpu-topology": "2x2",
            },
            "google.com/tpu",
            "tpu",
        ),
        (
            {"platform": "trainium", "accelerator": "trn2.48xlarge"},
            {"aws.amazon.com/neuron": "1"},
            {"node.kubernetes.io/instance-type": "trn2.48xlarge"},
            "aws.amazon.com/neuron",
            "neuron",
        ),
    ],
    ids=["gpu", "eight gpus", "tpu", "trainium"],
)
def test_a_platforms_devices_nodes_taints_and_environment(
    more: Pod, asked: Pod, selector: Pod, taint: str, backend: str
) -> None:
    assert limits_of(**more) == asked
    assert pod(**more).get("nodeSelector", {}) == selector
    assert tolerated(**more) == [(taint, "Exists", "NoSchedule")]
    assert env_of(**more)["JAX_PLATFORMS"] == backend


def test_platform_cpu_adds_nothing() -> None:
    """What stands in clusters was rendered before there were others."""
    made = pod(platform="cpu", sampler={"vocabShards": 4})
    assert not made.keys() & {"nodeSelector", "tolerations", "imagePullSecrets"}
    assert "resources" not in made["containers"][0]
    assert "JAX_PLATFORMS" not in env_of(platform="cpu")


@pytest.mark.parametrize(("topology", "chips"), [("1x1", "1"), ("2x2", "4"), ("2x4", "8"), ("2x2x1", "4")])
def test_a_pod_gets_all_chips_of_its_slice(topology: str, chips: str) -> None:
    assert limits_of(**TPU | {"topology": topology}) == {"google.com/tpu": chips}


@pytest.mark.parametrize(("shards", "devices"), [(1, "1"), (2, "1"), (3, "2"), (8, "4"), (64, "32")])
def test_trainium_has_a_core_for_each_shard(shards: int, devices: str) -> None:
    assert limits_of(platform="trainium", sampler={"vocabShards": shards}) == {"aws.amazon.com/neuron": devices}


@pytest.mark.parametrize(
    ("platform", "device", "taint", "backend"),
    [
        ("gpu", "nvidia.com/gpu", "nvidia.com/gpu", "cuda"),
        ("gpu", "nvidia.com/mig-1g.10gb", "nvidia.com/gpu", "cuda"),
        ("gpu", "amd.com/gpu", "amd.com/gpu", "rocm"),
        ("trainium", "aws.amazon.com/neuroncore", "aws.amazon.com/neuron", "neuron"),
    ],
)
def test_a_device_that_the_author_names_takes_the_place_of_the_usual_one(
    platform: str, device: str, taint: str, backend: str
) -> None:
    more = {"platform": platform, "template": {"resources": {"limits": {device: 3}}}}
    assert limits_of(**more) == {device: "3"}
    assert tolerated(**more) == [(taint, "Exists", "NoSchedule")]
    assert env_of(**more)["JAX_PLATFORMS"] == backend


def test_other_resources_come_beside_the_devices() -> None:
    asked = {"requests": {"cpu": "4"}, "limits": {"memory": "64Gi", "vpc.amazonaws.com/efa": 1}}
    more = {"platform": "trainium", "template": {"resources": asked}}
    assert limits_of(**more) == {"memory": "64Gi", "vpc.amazonaws.com/efa": "1", "aws.amazon.com/neuron": "1"}
    assert pod(**more)["containers"][0]["resources"]["requests"] == {"cpu": "4"}


def test_the_authors_label_and_variable_win() -> None:
    said = {
        "nodeSelector": {"cloud.google.com/gke-tpu-topology": "2x2x1", "example.com/pool": "a"},
        "env": [{"name": "JAX_PLATFORMS", "value": "tpu,cpu"}],
    }
    assert pod(**TPU, template=said)["nodeSelector"] == {
        "cloud.google.com/gke-tpu-accelerator": "tpu-v6e-slice",
        "cloud.google.com/gke-tpu-topology": "2x2x1",
        "example.com/pool": "a",
    }
    (container,) = pod(**TPU, template=said)["containers"]
    named = [item for item in container["env"] if item["name"] == "JAX_PLATFORMS"]
    assert named == [{"name": "JAX_PLATFORMS", "value": "tpu,cpu"}]


def test_the_authors_tolerations_come_beside_the_platforms_and_none_twice() -> None:
    said = [
        {"key": "google.com/tpu", "effect": "NoSchedule"},
        {"key": "example.com/pool", "value": "a", "effect": "NoExecute"},
        {"key": "example.com/spot"},
    ]
    assert pod(**TPU, template={"tolerations": said})["tolerations"] == [
        {"key": "google.com/tpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "example.com/pool", "operator": "Equal", "value": "a", "effect": "NoExecute"},
        {"key": "example.com/spot", "operator": "Exists"},
    ]


def test_models_come_from_a_claim_that_nobody_writes() -> None:
    made = pod(template={"models": {"claimName": "smollm2"}})
    claim = {"claimName": "smollm2", "readOnly": True}
    assert made["volumes"][1:] == [{"name": "models", "persistentVolumeClaim": claim}]
    (container,) = made["containers"]
    assert container["volumeMounts"][1:] == [{"name": "models", "mountPath": "/models", "readOnly": True}]


def test_programs_in_a_claim_are_kept_by_revision() -> None:
    made = template(template={"compileCache": {"claimName": "programs"}})
    volume = {"name": "compile-cache", "persistentVolumeClaim": {"claimName": "programs"}}
    assert made["spec"]["volumes"][1:] == [volume]
    (container,) = made["spec"]["containers"]
    labels = made["metadata"]["labels"]
    whose = [labels[f"samplerrollouts.io/{part}"] for part in ("rollout", "pool", "revision")]
    mount = {"name": "compile-cache", "mountPath": "/compile-cache", "subPath": "_".join(whose)}
    assert container["volumeMounts"][1:] == [mount]
    assert {"name": "SAMPLER_COMPILE_CACHE", "value": "/compile-cache"} in container["env"]


def test_no_two_revisions_share_a_folder() -> None:
    """Names may hold the sign between the parts of a child's name; the revision holds neither name."""
    pools = [pool("one") | {"template": {"compileCache": {"claimName": "c"}}}]
    parsed = parse_spec(spec() | {"pools": pools, "strategy": {}})

    def folder(rollout: str, name: str) -> str:
        child = render.Child(name, "0123456789")
        made = render.pod_template(render.Owner("serving", rollout, "uid"), parsed, parsed.pools[0], child)
        return str(made["spec"]["containers"][0]["volumeMounts"][1]["subPath"])

    assert folder("chat", "prod-cpu") != folder("chat-prod", "cpu")


def test_programs_in_a_volume_of_the_pods_own_have_a_limit() -> None:
    made = pod(template={"compileCache": {"sizeLimit": "512Mi"}, "models": {"claimName": "smollm2"}})
    assert made["volumes"][2:] == [{"name": "compile-cache", "emptyDir": {"sizeLimit": "512Mi"}}]
    (container,) = made["containers"]
    assert container["volumeMounts"][2:] == [{"name": "compile-cache", "mountPath": "/compile-cache"}]


def test_without_a_cache_a_pod_is_told_of_none() -> None:
    (container,) = pod()["containers"]
    assert "SAMPLER_COMPILE_CACHE" not in [item["name"] for item in container["env"]]


def test_whoever_examines_a_build_fills_the_cache_of_its_servers() -> None:
    made = template(template={"compileCache": {"claimName": "programs"}})
    child = render.Child("one", made["metadata"]["labels"]["samplerrollouts.io/revision"])
    examined = preflight_deployment(OWNER, child, made, 20)["spec"]["template"]["spec"]
    assert examined["volumes"] == made["spec"]["volumes"]
    assert examined["containers"][0]["volumeMounts"] == made["spec"]["containers"][0]["volumeMounts"]


def test_pull_secrets_and_spread() -> None:
    zone = {"topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
    made = template(template={"pullSecrets": ["a", "b"], "topologySpread": [zone]})
    assert made["spec"]["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
    labels = {"matchLabels": made["metadata"]["labels"]}
    assert made["spec"]["topologySpreadConstraints"] == [zone | {"maxSkew": 1, "labelSelector": labels}]


def test_the_fullest_template_is_still_of_the_closed_form() -> None:
    """The platform's own labels and tolerations find room beside all that an author may give."""
    said = {
        "nodeSelector": {f"example.com/{number}": "a" for number in range(limits.PLACED)},
        "tolerations": [{"key": f"example.com/{number}"} for number in range(limits.PLACED)],
    }
    assert len(pod(**TPU, template=said)["nodeSelector"]) == limits.PLACED + 2
    said["nodeSelector"] = {f"example.com/{number}": "a" for number in range(limits.PLACED + 1)}
    with pytest.raises(SpecError, match="at most 16"):
        pod(**TPU, template=said)


def of(**more: Any) -> str:
    parsed = parse_spec(spec() | {"pools": [pool("one") | more], "strategy": {}})
    return revision(parsed, parsed.pools[0])


def test_platform_accelerator_topology_and_placement_are_in_the_revision() -> None:
    said: list[Pod] = [
        {"platform": "gpu"},
        {"platform": "gpu", "accelerator": "a"},
        {"platform": "trainium", "accelerator": "a"},
        TPU,
        TPU | {"topology": "2x4"},
        {"template": {"nodeSelector": {"a": "b"}}},
        {"template": {"tolerations": [{"key": "a"}]}},
        {"template": {"topologySpread": [{"topologyKey": "a"}]}},
        {"template": {"pullSecrets": ["a"]}},
        {"template": {"models": {"claimName": "a"}}},
        {"template": {"compileCache": {"claimName": "a"}}},
        {"template": {"compileCache": {"sizeLimit": "1Gi"}}},
    ]
    assert len({of(**one) for one in said} | {of()}) == len(said) + 1
    empty: Pod = {"nodeSelector": {}, "tolerations": [], "topologySpread": [], "pullSecrets": [], "models": None}
    empty["compileCache"] = None
    assert of(template=empty) == of()
    assert of(template={"topologySpread": [{"topologyKey": "a", "maxSkew": 1}]}) == of(
        template={"topologySpread": [{"topologyKey": "a"}]}
    )
