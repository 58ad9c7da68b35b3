"""The CRD on a real API server: what it refuses, with which words, and that it agrees with the models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sampler_rollouts.domain.check_template import read_template
from sampler_rollouts.domain.resource import API_VERSION, KIND, parse_spec
from sampler_rollouts.domain.status import Status

from local.cluster import Cluster
from local.errors import LocalError
from tests.support.definition import install_crd
from tests.unit.operator.crd.bad import Bad, good
from tests.unit.operator.crd.bad_specs import BAD, UNKNOWN
from tests.unit.operator.domain.world import established, failing, spec

NAMESPACE = "crd-test"
NAME = "demo-of-the-crd"


@pytest.fixture(scope="module")
def server(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with our CRD and a namespace of this module."""
    install_crd(cluster)
    # A run that was killed has left it, and one that has just ended is still taking it away.
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    cluster.kubectl("create", "namespace", NAMESPACE)
    yield cluster
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def manifest(spec: dict[str, Any], name: str = NAME) -> str:
    metadata = {"name": name, "namespace": NAMESPACE}
    return json.dumps({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec})


def create(server: Cluster, spec: dict[str, Any], *flags: str, name: str = NAME) -> dict[str, Any]:
    """Dry run on the server: defaults and all rules, nothing is stored and no operator sees it."""
    line = ("create", "--dry-run=server", "-o", "json", *flags, "-f", "-")
    answer: dict[str, Any] = json.loads(server.kubectl(*line, stdin=manifest(spec, name)))
    return answer


def refusal(server: Cluster, spec: dict[str, Any], *flags: str, name: str = NAME) -> str:
    with pytest.raises(LocalError) as caught:
        create(server, spec, *flags, name=name)
    return str(caught.value)


def test_the_smallest_spec_gets_the_defaults_of_the_models(server: Cluster) -> None:
    stored = create(server, good())["spec"]
    assert stored == parse_spec(good()).model_dump(by_alias=True, exclude_none=True)


def test_what_the_server_stores_is_the_same_release(server: Cluster) -> None:
    from sampler_rollouts.domain.release import revisions

    stored = create(server, good())["spec"]
    assert revisions(parse_spec(stored)) == revisions(parse_spec(good()))


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_specs_are_refused_with_field_and_remedy(server: Cluster, bad: Bad) -> None:
    said = refusal(server, bad.spec())
    assert bad.field in said
    assert (bad.server_remedy or bad.remedy) in said
    # CEL's own words: a rule computed with a text that it cannot read, and its error would hide the one to act on.
    assert "rule:" not in said
    assert "evaluat" not in said


@pytest.mark.parametrize("bad", UNKNOWN, ids=lambda bad: bad.name)
def test_unknown_fields_are_refused_by_kubectl(server: Cluster, bad: Bad) -> None:
    """kubectl asks for strict validation unless told otherwise."""
    said = refusal(server, bad.spec())
    assert "unknown field" in said
    assert bad.field in said


@pytest.mark.parametrize("bad", UNKNOWN, ids=lambda bad: bad.name)
def test_unknown_fields_are_refused_by_server_side_apply(server: Cluster, bad: Bad) -> None:
    """Flux and Argo CD's server-side apply: refused even without strict validation."""
    line = ("apply", "--server-side", "--validate=false", "--dry-run=server", "-f", "-")
    with pytest.raises(LocalError, match="field not declared in schema"):
        server.kubectl(*line, stdin=manifest(bad.spec()))


def test_unknown_fields_are_never_stored(server: Cluster) -> None:
    """A client that asks for no validation at all gets the field dropped: it cannot reach the operator."""
    stored = create(server, UNKNOWN[1].spec(), "--validate=ignore")["spec"]
    assert "nodes" not in stored["pools"][0]


def classed(*classes: str | None) -> dict[str, Any]:
    """A paused spec with a pool for each class; None names none."""
    pools = [good()["pools"][0] | {"name": f"pool-{index}"} for index in range(len(classes))]
    named = [name for name in classes if name]
    if not named:
        return good() | {"pools": pools, "paused": True}
    sizes = [{"name": name, "maxTokens": 1000 * (index + 1)} for index, name in enumerate(dict.fromkeys(named))]
    pools = [pool | {"contextClass": name} for pool, name in zip(pools, classes, strict=True)]
    return good() | {"pools": pools, "paused": True, "routing": {"contextClasses": sizes}}


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        ((None,), ("standard",), False),
        (("standard", "long"), ("standard", "long", "short"), False),
        (("standard", "long"), ("standard",), False),
        (("standard", "long"), ("long", "standard"), True),
        ((None,), ("short",), True),
        (("short",), (None,), True),
    ],
)
def test_a_pool_keeps_its_context_class(
    server: Cluster, before: tuple[str | None, ...], after: tuple[str | None, ...], refused: bool
) -> None:
    apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    server.kubectl("delete", "samplerrollout", "classes-test", "-n", NAMESPACE, "--ignore-not-found")
    server.kubectl(*apply, stdin=manifest(classed(*before), "classes-test"))
    if refused:
        with pytest.raises(LocalError, match="give the pool another name too"):
            server.kubectl(*apply, stdin=manifest(classed(*after), "classes-test"))
    else:
        server.kubectl(*apply, stdin=manifest(classed(*after), "classes-test"))


def test_tags_are_accepted_with_the_opt_out(server: Cluster) -> None:
    spec = good() | {"allowImageTags": True}
    spec["pools"][0]["image"] = "sampler:dev"
    assert create(server, spec)["spec"]["pools"][0]["image"] == "sampler:dev"


@pytest.mark.parametrize("name", ["1st", "has.dots"])
def test_names_that_cannot_name_a_service_are_refused(server: Cluster, name: str) -> None:
    assert "metadata.name must be lower-case letters" in refusal(server, good(), name=name)


def test_the_largest_spec_is_accepted(server: Cluster) -> None:
    """Every list at its bound: the cost of the rules stays within the API server's budget."""
    image = good()["pools"][0]["image"]
    template = {
        "env": [{"name": f"VARIABLE_{index}", "value": "x" * 100} for index in range(64)],
        "args": [f"--argument={index}" for index in range(64)],
        "nodeSelector": {f"example.com/{index}": "x" * 63 for index in range(16)},
        "tolerations": [{"key": f"example.com/{index}", "value": "x" * 63} for index in range(16)],
        "topologySpread": [{"topologyKey": f"example.com/{index}"} for index in range(4)],
        "pullSecrets": [f"{index}-{'x' * 200}" for index in range(8)],
        "resources": {"limits": {f"vendor.example/{index}": 1 for index in range(8)}},
    }
    base = {"platform": "gpu", "accelerator": "x" * 63, "replicas": 200, "image": image, "template": template}
    pools = [{"name": f"pool-{index}", **base} for index in range(16)]
    spec = {
        "pools": pools,
        "strategy": {
            "waves": [[pool["name"]] for pool in pools],
            "steps": [{"weight": index * 4 + 1, "minDuration": "1s"} for index in range(20)],
        },
        "quality": {"designEffect": "1", "checks": [{"name": f"check-{i}", "maxRate": "1%"} for i in range(16)]},
    }
    assert len(create(server, spec)["spec"]["pools"]) == 16


def test_every_status_of_a_story_is_stored_as_written(server: Cluster) -> None:
    """The status schema prunes nothing and refuses nothing of what the decision writes."""
    world = established(pools=("cpu-a",))
    statuses = [world.status]
    world.update(spec("b", pools=("cpu-a",)))
    world.run(40)
    statuses.append(world.status)
    world.judge = failing()
    world.run(60)
    statuses.append(world.status)
    # Paused, and written as a dry run: an operator may be running in this cluster.
    server.kubectl("create", "-f", "-", stdin=manifest(good() | {"paused": True}, "status-test"))
    for status in statuses:
        stored = would_store(server, status)
        assert stored == status.dump()
        assert Status.load(stored) == status


def would_store(server: Cluster, status: Status, attempts: int = 5) -> dict[str, Any]:
    """What the API server makes of a status; again if an operator wrote in between."""
    path = f"/apis/{API_VERSION}/namespaces/{NAMESPACE}/samplerrollouts/status-test/status?dryRun=All"
    body = server.kubectl.get("samplerrollout", "status-test", namespace=NAMESPACE) | {"status": status.dump()}
    try:
        answer = server.kubectl("replace", "--raw", path, "-f", "-", stdin=json.dumps(body))
    except LocalError as error:
        if "modified" in str(error) and attempts > 1:
            return would_store(server, status, attempts - 1)
        raise
    stored: dict[str, Any] = json.loads(answer)["status"]
    return stored


def test_columns_show_the_story(server: Cluster) -> None:
    server.kubectl("apply", "--server-side", "-f", "-", stdin=manifest(good() | {"paused": True}, "columns-test"))
    header = server.kubectl("get", "srl", "-n", NAMESPACE).splitlines()[0].split()
    assert header == ["NAME", "READY", "REASON", "STABLE", "CANDIDATE", "PROGRESS", "WEIGHT", "AGE"]
    assert "columns-test" in server.kubectl("get", "samplers", "-n", NAMESPACE)


def template(spec: dict[str, Any], name: str = "eval-score") -> str:
    body = {"apiVersion": API_VERSION, "kind": "ClusterCheckTemplate", "metadata": {"name": name}, "spec": spec}
    return json.dumps(body)


@pytest.mark.parametrize(
    "spec",
    [
        {"gauge": "eval_score", "runsMetric": "eval_runs_total", "largest": 100},
        {"checkedMetric": "answers_total", "badMetric": "refusals_total"},
        {"histogram": "vllm:took_seconds", "slowerThan": "2.5s"},
        {"checkedMetric": "vllm:ended_total", "badWhere": {"label": "finished_reason", "values": ["error", "5xx"]}},
    ],
)
def test_templates_of_every_kind_are_accepted(server: Cluster, spec: dict[str, Any]) -> None:
    line = ("create", "--dry-run=server", "-o", "json", "-f", "-")
    assert json.loads(server.kubectl(*line, stdin=template(spec)))["spec"] == {"largest": 1} | spec
    assert read_template(spec)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, "a check is read from one place"),
        ({"gauge": "a"}, "gauge and runsMetric belong together"),
        ({"checkedMetric": "a"}, "checkedMetric and badMetric belong together"),
        ({"badWhere": {"label": "a", "values": ["x"]}}, "checkedMetric and badMetric belong together"),
        (
            {"checkedMetric": "a", "badMetric": "b", "badWhere": {"label": "a", "values": ["x"]}},
            "both say which requests are bad",
        ),
        ({"checkedMetric": "a", "badWhere": {"label": "a-b", "values": ["x"]}}, "must be the name of a label"),
        ({"checkedMetric": "a", "badWhere": {"label": "a", "values": ['x"']}}, "must be the value of a label"),
        ({"histogram": "a"}, "histogram and slowerThan belong together"),
        ({"checkedMetric": "a", "badMetric": "a"}, "badMetric is checkedMetric"),
        ({"gauge": "a", "runsMetric": "a"}, "runsMetric is gauge"),
        ({"checkedMetric": "a", "badMetric": "b", "gauge": "c", "runsMetric": "d"}, "read from one place"),
        ({"gauge": "sum(rate(x[5m]))", "runsMetric": "b"}, "must be the name of a metric"),
        ({"histogram": "a", "slowerThan": "2h"}, "must be a time such as 500ms or 2.5s"),
        ({"gauge": "a", "runsMetric": "b", "largest": 0}, "greater than or equal to 1"),
    ],
)
def test_templates_that_break_a_rule_are_refused_by_both(server: Cluster, spec: dict[str, Any], said: str) -> None:
    with pytest.raises(LocalError) as caught:
        server.kubectl("create", "--dry-run=server", "-f", "-", stdin=template(spec))
    assert said in str(caught.value)
    assert read_template(spec) is None


def test_a_templates_name_is_one_that_a_check_can_give(server: Cluster) -> None:
    spec = {"checkedMetric": "answers_total", "badMetric": "refusals_total"}
    with pytest.raises(LocalError, match="must be lower-case letters, digits and dashes"):
        server.kubectl("create", "--dry-run=server", "-f", "-", stdin=template(spec, "1.eval"))
