"""Routes of others that send requests to Services of ours are told, never touched, and never asked for."""

from __future__ import annotations

from typing import Any

import pytest
from sampler_rollouts.cluster import strangers
from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.cluster.errors import NotFoundError
from sampler_rollouts.cluster.kinds import RolloutKey
from sampler_rollouts.cluster.mirror import Mirror
from sampler_rollouts.domain.plan import OutsideEdit

from tests.support.kube.api import MemoryApi
from tests.unit.operator.cluster import builders
from tests.unit.operator.cluster.applying import apply_all

Obj = dict[str, Any]
ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes"
OURS = {"name": "chat-a-r1", "port": 80}
OTHERS = {"name": "shop", "port": 80}


class World:
    """A rollout with one Service, and a mirror whose watches are told by hand."""

    def __init__(self, api: MemoryApi, namespaces: tuple[str, ...] = ()) -> None:
        self.api = api
        self.mirror = Mirror(api, namespaces)
        self.cluster = KubernetesCluster(api, self.mirror)
        found = self.cluster.read(RolloutKey("serving", "chat"))
        assert found is not None
        self.rollout = found
        apply_all(self.cluster, self.rollout, builders.service())

    def route(self, *backends: Obj, name: str = "mine", namespace: str = "serving", **more: Any) -> None:
        rules = [{"backendRefs": list(backends), **more.pop("rule", {})}]
        body = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": name, "namespace": namespace, **more},
            "spec": {"parentRefs": [{"name": "edge"}], "rules": rules},
        }
        self.api.answer("POST", ROUTES.format(namespace), query={"fieldManager": "kubectl-create"}, body=body)

    def told(self) -> tuple[OutsideEdit, ...]:
        for reflector in self.mirror.reflectors:
            reflector.once()
        return self.cluster.edits([builders.service()], self.cluster.children(self.rollout))


@pytest.fixture
def world(api: MemoryApi) -> World:
    return World(api)


@pytest.mark.parametrize("namespaces", [(), ("serving",)])
def test_a_strangers_route_to_a_service_of_ours_is_told_and_not_touched(
    api: MemoryApi, namespaces: tuple[str, ...]
) -> None:
    world = World(api, namespaces)
    world.route(OTHERS, OURS)
    path = f"{ROUTES.format('serving')}/mine"
    before = api.answer("GET", path)
    (one,) = world.told()
    assert (one.kind, one.name, one.by, one.services) == ("HTTPRoute", "mine", "kubectl-create", "chat-a-r1")
    assert one.at.isoformat() == before["metadata"]["managedFields"][0]["time"].replace("Z", "+00:00")
    assert api.answer("GET", path) == before


def test_who_wrote_its_spec_last_is_named_and_not_who_wrote_its_status(world: World) -> None:
    world.route(OURS)
    path, merge = f"{ROUTES.format('serving')}/mine", "application/merge-patch+json"
    spec = {"spec": {"rules": [{"backendRefs": [OURS | {"weight": 16}]}]}}
    world.api.answer("PATCH", path, query={"fieldManager": "argocd"}, body=spec, content_type=merge)
    labels = {"metadata": {"labels": {"a": "b"}}}
    world.api.answer("PATCH", path, query={"fieldManager": "labeller"}, body=labels, content_type=merge)
    live = world.api.answer("GET", path)
    for entry, minute in zip(live["metadata"]["managedFields"], (1, 2, 3), strict=True):
        entry["time"] = f"2026-01-02T03:0{minute}:00Z"
    world.api.store(path, live)
    assert [(one.by, f"{one.at:%H:%M}") for one in world.told()] == [("argocd", "03:02")]


@pytest.mark.parametrize(
    ("backend", "more"),
    [
        (OTHERS, {}),
        (OURS | {"weight": 0}, {}),
        (OURS | {"namespace": "elsewhere"}, {}),
        (OURS | {"kind": "ServiceImport", "group": "multicluster.x-k8s.io"}, {}),
        (OURS, {"namespace": "elsewhere"}),
        (OURS, {"ownerReferences": builders.owner()}),
    ],
)
def test_what_sends_nothing_to_us_and_what_is_ours_is_not_told(world: World, backend: Obj, more: Obj) -> None:
    world.route(backend, **more)
    assert world.told() == ()


def test_a_copy_of_requests_is_told_too(world: World) -> None:
    mirror = {"filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": OURS}}]}
    world.route(OTHERS, rule=mirror)
    world.route(OTHERS | mirror, name="other")
    assert {one.name for one in world.told()} == {"mine", "other"}


def test_a_copy_of_our_own_route_is_a_strangers(world: World) -> None:
    world.route(OURS, labels=builders.labelled())
    assert [one.name for one in world.told()] == ["mine"]


def test_one_that_goes_is_told_no_more(world: World) -> None:
    world.route(OURS)
    assert len(world.told()) == 1
    world.api.answer("DELETE", f"{ROUTES.format('serving')}/mine")
    assert world.told() == ()


def test_of_many_the_last_ones_are_told(world: World) -> None:
    for number in range(strangers.MOST + 3):
        world.route(OURS, name=f"route-{number}")
    assert len(world.told()) == strangers.MOST


def test_without_a_watch_nobody_asks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Gateway API may not be installed."""
    world.route(OURS)
    whole = world.api.answer

    def absent(method: str, path: str, **more: Any) -> Obj:
        if path.endswith("/httproutes"):
            raise NotFoundError(f"{method} {path}: 404 not found")
        return whole(method, path, **more)

    monkeypatch.setattr(world.api, "answer", absent)
    for reflector in world.mirror.reflectors:
        if reflector.path.endswith("/httproutes"):
            with pytest.raises(NotFoundError):
                reflector.once()
        else:
            reflector.once()
    world.api.requests.clear()
    assert world.cluster.children(world.rollout).observation.calls == ()
    assert not any(path.endswith("/httproutes") for _, path in world.api.requests)


@pytest.mark.parametrize(
    "metadata", [{"managedFields": None}, {"managedFields": [{"manager": "x", "fieldsV1": {"f:spec": {}}, "time": 3}]}]
)
def test_without_books_it_is_dated_by_its_creation(metadata: Obj) -> None:
    spec = {"rules": [{"backendRefs": [OURS]}]}
    made = {"name": "mine", "namespace": "serving", "creationTimestamp": "2026-01-02T03:04:05Z", **metadata}
    found = strangers.stranger({"metadata": made, "spec": spec})
    assert found is not None
    assert (found.by, f"{found.at:%H:%M:%S}") == ("somebody", "03:04:05")
    del made["creationTimestamp"]
    assert strangers.stranger({"metadata": made, "spec": spec}) is None
