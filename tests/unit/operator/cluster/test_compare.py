"""When a child must be applied again."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from sampler_rollouts.cluster import compare
from sampler_rollouts.cluster.compare import Compared, differs
from sampler_rollouts.cluster.kinds import FIELD_MANAGER, kind_of

from tests.support.kube.api import MemoryApi
from tests.unit.operator.cluster.builders import deployment, service

Obj = dict[str, Any]


def applied(wanted: Obj) -> Obj:
    """The object as the server keeps it, with defaults and quantities in canonical form."""
    query = {"fieldManager": "sampler-rollouts", "force": "true"}
    path = kind_of(wanted).path("serving", "x")
    live = MemoryApi().request("PATCH", path, query=query, body=wanted, content_type="application/apply-patch+yaml")
    if live["kind"] == "Deployment":
        live["spec"]["progressDeadlineSeconds"] = 600
        container = live["spec"]["template"]["spec"]["containers"][0]
        container["resources"]["requests"]["cpu"] = "1"
        container["terminationMessagePath"] = "/dev/termination-log"
        container["ports"][0]["protocol"] = "TCP"
    return live


@pytest.mark.parametrize("wanted", [deployment(), service()])
def test_what_was_just_applied_is_not_applied_again(wanted: Obj) -> None:
    assert not differs(wanted, applied(wanted))


def container_of(obj: Obj) -> Obj:
    found: Obj = obj["spec"]["template"]["spec"]["containers"][0]
    return found


CHANGES: list[Callable[[Obj], Any]] = [
    lambda d: d["spec"].update(replicas=3),
    lambda d: d["metadata"]["labels"].update(extra="1"),
    lambda d: container_of(d).update(image="sampler@sha256:1"),
    lambda d: container_of(d).update(args=["--x"]),
    lambda d: container_of(d)["env"][0].update(value="1.0"),
    lambda d: container_of(d)["env"].append({"name": "B", "value": "2"}),
    lambda d: container_of(d)["resources"]["requests"].update(cpu="1001m"),
    lambda d: container_of(d)["resources"]["requests"].pop("memory"),
    lambda d: container_of(d)["env"].clear(),
    lambda d: container_of(d).pop("env"),
    lambda d: d["metadata"]["labels"].pop("samplerrollouts.io/pool"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_what_we_want_is_applied(change: Callable[[Obj], Any]) -> None:
    live = applied(deployment())
    wanted = deployment()
    change(wanted)

    assert differs(wanted, live)


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d["spec"].update(replicas=3),
        lambda d: container_of(d).update(image="sampler@sha256:1"),
        lambda d: container_of(d)["env"][0].update(value="1.0"),
        lambda d: container_of(d)["resources"]["requests"].update(cpu="1001m"),
        lambda d: d["metadata"]["labels"].pop("samplerrollouts.io/pool"),
        lambda d: container_of(d)["env"].clear(),
    ],
)
def test_a_strangers_edit_of_our_field_is_put_back(edit: Callable[[Obj], Any]) -> None:
    live = applied(deployment())
    edit(live)

    assert differs(deployment(), live)


def test_a_strangers_own_field_is_left_alone() -> None:
    live = applied(deployment())
    live["metadata"]["labels"]["team"] = "search"
    container_of(live)["env"].append({"name": "INJECTED", "value": "1"})

    assert not differs(deployment(), live)


def test_an_object_that_we_never_applied_is_applied() -> None:
    live = applied(deployment())
    live["metadata"]["managedFields"] = []

    assert differs(deployment(), live)


def test_empty_values_that_the_server_leaves_out_do_not_differ() -> None:
    wanted = deployment()
    container_of(wanted)["env"].append({"name": "EMPTY", "value": ""})
    live = applied(wanted)
    del container_of(live)["env"][1]["value"]

    assert not differs(wanted, live)


@pytest.mark.parametrize(("live", "same"), [("1", True), ("1000m", True), ("2", False), ("1k", False)])
def test_quantities_are_compared_by_value(live: str, same: bool) -> None:
    kept = applied(deployment())
    container_of(kept)["resources"]["requests"]["cpu"] = live

    assert differs(deployment(), kept) == (not same)


@pytest.mark.parametrize(
    ("wanted", "live"), [("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("2000M", "2G"), ("512Mi", "512Mi")]
)
def test_the_limit_of_a_volume_is_a_quantity(wanted: str, live: str) -> None:
    """The server writes it its own way: an operator that did not know would apply at every look."""
    ours = deployment()
    ours["spec"]["template"]["spec"]["volumes"] = [{"name": "cache", "emptyDir": {"sizeLimit": wanted}}]
    kept = applied(ours)
    kept["spec"]["template"]["spec"]["volumes"][0]["emptyDir"]["sizeLimit"] = live
    assert not differs(ours, kept)
    kept["spec"]["template"]["spec"]["volumes"][0]["emptyDir"]["sizeLimit"] = "3Gi"
    assert differs(ours, kept)


def test_a_keyed_item_whose_key_was_defaulted_is_recognised() -> None:
    live = applied(service())
    (entry,) = live["metadata"]["managedFields"]
    entry["fieldsV1"]["f:spec"]["f:ports"] = {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}, "f:name": {}}}
    live["spec"]["ports"][0]["protocol"] = "TCP"

    assert not differs(service(), live)


def test_a_selector_with_a_label_more_is_put_back() -> None:
    """The server keeps a selector as one value, and gives all of it to whoever edits it: we own nothing of it then."""
    live = applied(service())
    live["spec"]["selector"]["version"] = "2"
    for entry in live["metadata"]["managedFields"]:
        entry["fieldsV1"].get("f:spec", {}).pop("f:selector", None)
    assert differs(service(), live)


def test_backends_of_one_name_are_compared_by_their_place() -> None:
    """Two tables' arms are of the same Service."""
    backends = [{"name": "cpu", "weight": 700}, {"name": "cpu", "weight": 300}]
    owned = {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": {"f:spec": {"f:rules": {}}}}
    wanted = {"apiVersion": "v1", "kind": "HTTPRoute", "spec": {"rules": [{"backendRefs": backends}]}}
    live: Obj = {"metadata": {"managedFields": [owned]}, "spec": {"rules": [{"backendRefs": copy.deepcopy(backends)}]}}
    assert not differs(wanted, live)
    live["spec"]["rules"][0]["backendRefs"][0]["weight"] = 600
    assert differs(wanted, live)


def test_what_was_the_same_is_not_compared_again_until_either_side_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Obj] = []

    def counted(wanted: Obj, live: Obj) -> bool:
        calls.append(wanted)
        return differs(wanted, live)

    monkeypatch.setattr(compare, "differs", counted)
    compared, wanted = Compared(), deployment()
    live = applied(wanted)
    assert [compared.differs(copy.deepcopy(wanted), copy.deepcopy(live)) for _ in range(3)] == [False] * 3
    assert len(calls) == 1
    changed = copy.deepcopy(live)
    changed["metadata"]["resourceVersion"] = "99"
    changed["spec"]["replicas"] = 7
    assert compared.differs(wanted, changed)
    assert compared.differs(deployment(replicas=9), live)
    assert not compared.differs(wanted, live)
    assert len(calls) == 3


def test_no_more_is_remembered_than_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "MOST_SAME", 2)
    compared, wanted = Compared(), deployment()
    for number in range(5):
        live = applied(wanted)
        live["metadata"]["uid"] = f"uid-{number}"
        assert not compared.differs(wanted, live)
    assert len(compared._same) <= 2
