"""Manifests, as docs/architecture.md promises them."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.domain import limits, render
from sampler_rollouts.domain.release import revision
from sampler_rollouts.domain.resource import SpecError, parse_spec

from tests.unit.operator.domain.world import spec

OWNER = render.Owner("serving", "chat", "uid-1")
LABELS = {
    "samplerrollouts.io/rollout": "chat",
    "samplerrollouts.io/pool": "cpu-a",
    "samplerrollouts.io/context-class": "standard",
}


def rendered(**more: Any) -> tuple[render.Child, dict[str, Any]]:
    raw = spec(rollback={"drainTimeout": "90s"})
    raw["pools"][0] |= more
    parsed = parse_spec(raw)
    child = render.Child("cpu-a", revision(parsed, parsed.pools[0]))
    return child, render.pod_template(OWNER, parsed, parsed.pools[0], child)


def container(**more: Any) -> dict[str, Any]:
    found: dict[str, Any] = rendered(**more)[1]["spec"]["containers"][0]
    return found


def test_labels_name_rollout_pool_revision_and_class() -> None:
    child, template = rendered()
    assert template["metadata"]["labels"] == LABELS | {"samplerrollouts.io/revision": child.revision}


def test_environment_of_the_operator_comes_first() -> None:
    env = container(template={"env": [{"name": "MINE", "value": "1"}]})["env"]
    assert [item["name"] for item in env] == [
        "SAMPLER_REVISION", "SAMPLER_POOL", "SAMPLER_ROLLOUT", "SAMPLER_PRECISION", "SAMPLER_AUDIT_SHARE",
        "SAMPLER_DRAIN_TIMEOUT", "POD_NAME", "MINE",
    ]  # fmt: skip
    values = {item["name"]: item.get("value") for item in env}
    assert values["SAMPLER_AUDIT_SHARE"] == "0.01"
    assert values["SAMPLER_DRAIN_TIMEOUT"] == "90"
    assert values["SAMPLER_PRECISION"] == "float32"


def test_audit_share_is_a_plain_number() -> None:
    for written, told in (("100%", "1"), ("0", "0"), ("0.05%", "0.0005"), ("0.00000001", "0.00000001")):
        env = container(sampler={"auditShare": written})["env"]
        assert next(item["value"] for item in env if item["name"] == "SAMPLER_AUDIT_SHARE") == told


def test_shards_are_told_only_where_there_are_any() -> None:
    """A pod whose vocabulary is whole is told nothing of it, so that records of before stay what is rendered."""
    names = [item["name"] for item in container(sampler={"vocabShards": 1})["env"]]
    assert "SAMPLER_VOCAB_SHARDS" not in names
    assert {"name": "SAMPLER_VOCAB_SHARDS", "value": "4"} in container(sampler={"vocabShards": 4})["env"]


def test_the_grace_period_is_the_drain_time() -> None:
    assert rendered()[1]["spec"]["terminationGracePeriodSeconds"] == 90


def test_pods_meet_the_restricted_standard() -> None:
    pod, one = rendered()[1]["spec"], container()
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert one["securityContext"]["readOnlyRootFilesystem"] is True
    assert one["securityContext"]["allowPrivilegeEscalation"] is False
    assert one["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert pod["volumes"] == [{"name": "tmp", "emptyDir": {}}]


def test_ports_and_probes() -> None:
    one = container()
    assert {port["name"]: port["containerPort"] for port in one["ports"]} == {"http": 8000, "metrics": 9090}
    assert one["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert one["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert one["startupProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}


def test_arguments_replace_the_images_and_resources_are_passed_on() -> None:
    assert "args" not in container()
    assert "resources" not in container()
    one = container(template={"args": ["serve"], "resources": {"requests": {"cpu": 2}, "limits": {"memory": "1Gi"}}})
    assert one["args"] == ["serve"]
    assert one["resources"] == {"requests": {"cpu": "2"}, "limits": {"memory": "1Gi"}}


def test_deployment_selects_only_its_own_revision() -> None:
    child, template = rendered()
    body = render.deployment(OWNER, child, template, 3)
    assert body["metadata"]["name"] == f"chat-cpu-a-{child.revision}"
    assert body["spec"]["replicas"] == 3
    assert body["spec"]["selector"]["matchLabels"] == LABELS | {"samplerrollouts.io/revision": child.revision}
    assert body["spec"]["template"] == template


def test_the_class_service_selects_every_pool_and_revision() -> None:
    body = render.class_service(OWNER)
    assert body["metadata"]["name"] == "chat-standard"
    assert body["spec"]["selector"] == {key: LABELS[key] for key in LABELS if not key.endswith("/pool")}
    assert body["spec"]["ports"] == [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]


def test_the_revisions_service_selects_one() -> None:
    child, template = rendered()
    selector = render.revision_service(OWNER, child, template)["spec"]["selector"]
    assert selector["samplerrollouts.io/revision"] == child.revision


def test_a_recorded_template_is_read_back() -> None:
    child, template = rendered()
    body = render.controller_revision(OWNER, child, template)
    assert render.recorded_template(body) == template
    for nonsense in ({}, {"data": None}, {"data": {"template": 1}}):
        assert render.recorded_template(nonsense) is None


def test_every_child_is_owned_and_labelled() -> None:
    child, template = rendered()
    children = [
        render.deployment(OWNER, child, template, 1),
        render.controller_revision(OWNER, child, template),
        render.revision_service(OWNER, child, template),
        render.class_service(OWNER),
    ]
    for body in children:
        (reference,) = body["metadata"]["ownerReferences"]
        assert reference["uid"] == "uid-1"
        assert reference["controller"] is True
        assert body["metadata"]["namespace"] == "serving"
        assert body["metadata"]["labels"]["samplerrollouts.io/rollout"] == "chat"


def test_rendering_is_a_function() -> None:
    assert rendered() == rendered()


@pytest.mark.parametrize("pool", ["p", "p" * limits.NAME])
def test_the_longest_names_that_the_spec_may_have_fit(pool: str) -> None:
    """Names of Services and values of labels end at 63 characters."""
    raw = spec() | {"strategy": {}}
    raw["pools"] = [raw["pools"][0] | {"name": pool}]
    name = "r" * (limits.CHILD_NAMES - len(pool))
    parsed = parse_spec(raw, name)
    owner, child = render.Owner("serving", name, "uid-1"), render.Child(pool, revision(parsed, parsed.pools[0]))
    template = render.pod_template(owner, parsed, parsed.pools[0], child)
    for body in (render.revision_service(owner, child, template), render.class_service(owner)):
        assert len(body["metadata"]["name"]) <= 63
        assert max(map(len, body["spec"]["selector"].values())) <= 63
    with pytest.raises(SpecError, match="shorten"):
        parse_spec(raw, name + "r")
