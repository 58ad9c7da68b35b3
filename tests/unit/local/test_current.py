"""Any cluster by its kubeconfig: which one is meant, how images get there, and that nothing else is touched."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import yaml

from local import addons, current, namespaces, systemimages
from local.choice import chosen, local_alone
from local.client import environment
from local.cluster import Cluster
from local.current import CurrentCluster, current_context, permit, pinned
from local.demo import images
from local.errors import LocalError
from local.gateway import elsewhere as gateway
from local.gateway.elsewhere import NoGatewayError
from local.imagestore import Archives, Way, common_images
from local.oci import blob
from local.prometheus import ELSEWHERE, LOCAL
from local.reach import Direct, ThroughApiServer
from local.settings import Settings

NAME = "localhost/sampler-rollouts/sampler@sha256:" + "a" * 64


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    for folder in ("cache", "run"):
        (tmp_path / folder).mkdir()
    return Settings(cache=tmp_path / "cache", run=tmp_path / "run")


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every program is installed."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")


class FakeKubectl:
    """Takes notes of what it is told to change; answers `get` by the words that it is asked with."""

    def __init__(self, **answers: str) -> None:
        self.answers, self.told, self.applied = answers, [], ""

    def __call__(self, *args: Any, stdin: str = "", timeout: float = 0) -> str:
        if args[0] == "get":
            found = next((said for words, said in self.answers.items() if words in " ".join(args)), "")
            if found == "refused":
                raise LocalError("it failed", detail="connection refused")
            return found
        self.told.append(" ".join(str(word) for word in args if not str(word).startswith("-")))
        self.applied += f"{stdin}\n---\n" if stdin else ""
        return ""


def test_without_a_word_it_is_the_local_cluster() -> None:
    assert isinstance(chosen({}), Cluster)
    assert isinstance(local_alone("make incidents", {}), Cluster)


@pytest.mark.parametrize("wanted", ["kind", "Current", "prod"])
def test_another_word_is_refused_with_the_one_that_there_is(wanted: str) -> None:
    with pytest.raises(LocalError, match=rf"CLUSTER={wanted} is no cluster .*CLUSTER=current"):
        chosen({"CLUSTER": wanted})


def test_what_needs_the_machine_refuses_another_cluster() -> None:
    with pytest.raises(LocalError, match="make incidents runs on the local cluster alone: leave out CLUSTER"):
        local_alone("make incidents", {"CLUSTER": "current"})


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize(
    ("text", "line", "registry", "context"),
    [
        ("kind:dev", "kind load image-archive /a.tar --name dev", "localhost", "kind-dev"),
        ("k3d:my.dev", "k3d image import /a.tar --cluster my.dev", "localhost", "k3d-my.dev"),
        (
            "registry.example.com/team/a",
            "skopeo copy oci-archive:/a.tar docker://REF",
            "registry.example.com/team/a",
            "",
        ),
        ("localhost:5000/x", "skopeo copy oci-archive:/a.tar docker://REF", "localhost:5000/x", ""),
        ("load 'a b' --file={archive} {x}", "load|a b|--file=/a.tar|{x}", "localhost", ""),
    ],
)
def test_ways_for_images(text: str, line: str, registry: str, context: str) -> None:
    way = Way.parse(text)
    assert way.words(Path("/a.tar"), "REF") == line.split("|" if "|" in line else " ")
    assert (way.registry, way.context) == (registry, context)


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize(
    "text", ["", "kind", "kind:", "kind:a b", "docker", "minikube:x", "team/a", "localhost/x", "registry.example.com"]
)
def test_a_way_that_is_none_is_refused_with_those_that_there_are(text: str) -> None:
    with pytest.raises(LocalError, match=r"IMAGES=.*does not say how.*IMAGES=kind:NAME.*\{archive\}"):
        Way.parse(text)


def test_a_way_whose_program_is_missing_is_refused() -> None:
    with pytest.raises(LocalError, match=r"IMAGES=no-such-program \{archive\} needs the program 'no-such-program'"):
        Way.parse("no-such-program {archive}")


def test_the_images_are_asked_for_before_anything_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "tools", None)
    with pytest.raises(LocalError, match="IMAGES"):
        chosen({"CLUSTER": "current", "CONTEXT": "kind-dev"})


@pytest.mark.parametrize(("said", "made"), [("prod", ""), ("", "prod"), ("prod", "prod")])
def test_a_context_that_somebody_named_is_taken(said: str, made: str) -> None:
    permit("prod", said, made)


@pytest.mark.parametrize(
    ("said", "made", "words"),
    [
        ("", "", "context prod, and removes .*: say CONTEXT=prod"),
        (
            "dev",
            "",
            "CONTEXT=dev is not the kubeconfig's current context, which is prod: `kubectl config use-context dev`",
        ),
        ("kind-dev", "kind-dev", "which is prod"),
    ],
)
def test_any_other_context_is_refused(said: str, made: str, words: str) -> None:
    with pytest.raises(LocalError, match=f"{words}.*nothing was touched"):
        permit("prod", said, made)


@pytest.mark.parametrize("given", [{"IMAGES": "kind:dev"}, {"CONTEXT": "kind-dev"}])
def test_what_is_for_another_cluster_never_starts_the_local_one(given: dict[str, str]) -> None:
    with pytest.raises(LocalError, match=r"is for CLUSTER=current: add that.*nothing was touched"):
        chosen(given)


@pytest.mark.parametrize("said", ["", "dead"])
def test_images_and_operator_go_to_one_cluster(said: str) -> None:
    with pytest.raises(LocalError, match=r"context kind-dev.*current context is dead.*use-context kind-dev"):
        permit("dead", said, "kind-dev")


def test_a_kubeconfig_that_is_not_there_is_said_to_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(LocalError, match=r"none does not exist: set KUBECONFIG.*nothing was touched"):
        current_context(program(tmp_path, "exit 1"))


def program(folder: Path, script: str) -> Path:
    file = folder / "kubectl"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def test_without_a_current_context_nothing_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (there := tmp_path / "file").touch()
    monkeypatch.setenv("KUBECONFIG", str(there))
    kubectl = program(tmp_path, "echo 'error: current-context is not set' >&2; exit 1")
    with pytest.raises(
        LocalError, match=r"\(KUBECONFIG: .*/file\) has no current context: `kubectl config use-context"
    ):
        current_context(kubectl)
    assert current_context(program(tmp_path, "echo kind-dev")) == "kind-dev"


def test_the_context_is_copied_for_this_user_alone(here: Settings, tmp_path: Path) -> None:
    made = pinned(here, program(tmp_path, 'echo "$@"'), "kind-dev")
    try:
        assert made.kubeconfig.read_text() == "config view --minify --flatten --raw --context=kind-dev\n"
        assert stat.S_IMODE(made.kubeconfig.stat().st_mode) == 0o600
        assert stat.S_IMODE(made.run.stat().st_mode) == 0o700
        assert (made.cache, made.through_proxy) == (here.cache, True)
    finally:
        shutil.rmtree(made.run)


def elsewhere(here: Settings, kubectl: FakeKubectl) -> CurrentCluster:
    return CurrentCluster(here, "kind-dev", Way(("true", "{archive}")), kubectl)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ("refused", "kind-dev does not answer: `kubectl --context kind-dev get nodes` must work"),
        ("", "has no nodes"),
        ("a=amd64\nb=arm64\n", "has b=arm64, and our images are for x86-64: take a cluster"),
    ],
)
def test_a_cluster_that_cannot_work_is_refused_untouched(here: Settings, nodes: str, words: str) -> None:
    kubectl = FakeKubectl(**{"get nodes": nodes})
    with pytest.raises(LocalError, match=f"{words}.*nothing was touched"):
        elsewhere(here, kubectl).check()
    assert kubectl.told == []


def holding(rollouts: str, ours: str = "demo") -> FakeKubectl:
    """A cluster with the definition, and SamplerRollouts by namespace and name."""
    answers = {"get nodes": "a=amd64", "get crd": "crd/x", "get samplerrollouts": rollouts}
    return FakeKubectl(**answers, **{f"get namespaces -l {namespaces.OURS}": ours})


def test_rollouts_of_others_are_not_acted_on(here: Settings) -> None:
    kubectl = holding("prod/a prod/b prod/c prod/d demo/mine ")
    with pytest.raises(
        LocalError, match=r"SamplerRollout prod/a, .*b, .*c, others, .*would act on.*nothing was touched"
    ):
        elsewhere(here, kubectl).up()
    assert kubectl.told == []
    elsewhere(here, holding("demo/mine ")).check()
    elsewhere(here, holding("")).check()


@pytest.mark.usefixtures("prometheus_image")
def test_after_a_refusal_what_an_earlier_run_has_left_stays(here: Settings) -> None:
    there = {f"get namespace {ELSEWHERE.namespace}": "namespace/x", "get namespaces": "namespace/x"}
    kubectl = FakeKubectl(**{"get nodes": "a=amd64"}, **there)
    cluster = elsewhere(here, kubectl)
    cluster.up()
    kubectl.told.clear()
    cluster.leave(refused=True)
    assert kubectl.told == []
    kubectl = FakeKubectl(**{"get nodes": "a=amd64", "get namespaces": "namespace/x"})
    cluster = elsewhere(here, kubectl)
    cluster.up()
    kubectl.told.clear()
    cluster.leave(refused=True)
    assert f"delete namespace {ELSEWHERE.namespace}" in kubectl.told


def test_helm_goes_where_kubectl_goes(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HELM_KUBEAPISERVER", "HELM_KUBETOKEN", "HELM_DRIVER", "HELM_KUBECONTEXT"):
        monkeypatch.setenv(name, "elsewhere")
    assert "elsewhere" not in environment(here).values()


def test_images_need_root_and_say_so(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LocalError, match="the build of images needs root"):
        elsewhere(here, FakeKubectl()).check()


@pytest.fixture
def prometheus_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemimages, "prometheus", lambda _: SimpleNamespace(name="localhost/p:1"))
    monkeypatch.setattr(systemimages, "load", lambda *_: None)
    monkeypatch.setattr(addons, "available", lambda *_: True)


@pytest.mark.usefixtures("prometheus_image")
def test_prometheus_comes_and_goes_with_its_namespace(here: Settings) -> None:
    kubectl = FakeKubectl(**{"get nodes": "a=amd64", "get namespaces": f"namespace/{ELSEWHERE.namespace}"})
    cluster = elsewhere(here, kubectl)
    cluster.up()
    namespace, *made = filter(None, yaml.safe_load_all(kubectl.applied))
    assert namespace["metadata"]["labels"] == {namespaces.OURS: "true"}
    owned = {one["metadata"].get("namespace", one["metadata"]["name"]) for one in made}
    assert owned == {ELSEWHERE.namespace, ELSEWHERE.role}
    assert not {LOCAL.namespace, LOCAL.role} & owned
    assert "hostPath" not in kubectl.applied
    kubectl.told.clear()
    cluster.leave()
    assert kubectl.told == [
        f"delete namespace {gateway.NAME}",
        f"delete namespace {ELSEWHERE.namespace}",
        f"delete clusterrole,clusterrolebinding {ELSEWHERE.role}",
    ]


@pytest.mark.usefixtures("prometheus_image")
def test_a_namespace_of_somebody_else_is_not_taken(here: Settings) -> None:
    kubectl = FakeKubectl(**{"get nodes": "a=amd64", f"get namespace {ELSEWHERE.namespace}": "namespace/x"})
    with pytest.raises(LocalError, match=f"namespace {ELSEWHERE.namespace} is there already"):
        elsewhere(here, kubectl).up()
    assert kubectl.told == []
    namespaces.claim(kubectl, ELSEWHERE.namespace, shared=True)
    namespaces.remove(kubectl, ELSEWHERE.namespace)
    assert kubectl.told == []


def test_a_namespace_of_an_earlier_run_is_taken() -> None:
    kubectl = FakeKubectl(**{"get namespace demo": "namespace/demo", "get namespaces": "namespace/demo"})
    namespaces.claim(kubectl, "demo")
    assert kubectl.told == []


@pytest.mark.parametrize("controllers", [None, [], ["example.com/other"]])
def test_where_there_is_no_envoy_gateway_there_is_no_gateway(here: Settings, controllers: list[str] | None) -> None:
    classes = [{"metadata": {"name": "c"}, "spec": {"controllerName": one}} for one in controllers or []]
    kubectl = FakeKubectl(
        **{"get crd": "" if controllers is None else "crd/c", "get gatewayclasses": json.dumps({"items": classes})}
    )
    with pytest.raises(NoGatewayError, match="no GatewayClass of Envoy Gateway: install"):
        elsewhere(here, kubectl).gateway()
    assert kubectl.told == []


def test_the_gateway_is_of_envoy_gateways_class_and_ours(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    classes = [
        {"metadata": {"name": name}, "spec": {"controllerName": f"{owner}/gatewayclass-controller"}}
        for name, owner in (("a", "example.com"), ("b", "gateway.envoyproxy.io"))
    ]
    services = [{"metadata": {"namespace": "system", "name": "envoy"}}]
    kubectl = FakeKubectl(
        **{
            "get crd": "crd/c",
            "get gatewayclasses": json.dumps({"items": classes}),
            "get services": json.dumps({"items": services}),
        }
    )
    cluster = elsewhere(here, kubectl)
    cluster.reach = SimpleNamespace(service=lambda *place: "/".join(place))  # type: ignore[assignment]
    answers = iter([503, 404])
    # Without the slash at its end the API server would send elsewhere.
    monkeypatch.setattr(
        gateway.httpx, "get", lambda url, **_: httpx.Response(next(answers) if url == "system/envoy/" else 301)
    )
    edge = cluster.gateway()
    assert (edge.url, edge.name, edge.namespace) == ("system/envoy", gateway.NAME, gateway.NAME)
    assert kubectl.told == ["create", "apply"]
    assert '"gatewayClassName": "b"' in kubectl.applied


def node(*names: str) -> dict[str, Any]:
    return {"status": {"images": [{"names": list(names)}, {"names": None}]}}


def test_only_what_every_node_has_is_there() -> None:
    assert common_images([node("a", "b"), node("b", "c")]) == {"b"}
    assert common_images([]) == set()
    assert common_images([{"status": {}}, node("a")]) == set()


@pytest.fixture
def load(here: Settings, tmp_path: Path) -> Callable[..., tuple[Archives, Path]]:
    """Loads one image by a command that copies the archive; what it then is, and where it came."""

    def act(registry: str, *nodes: Mapping[str, Any]) -> tuple[Archives, Path]:
        target = tmp_path / "came.tar"
        kubectl = FakeKubectl(**{"get nodes": json.dumps({"items": nodes})})
        store = Archives(here, kubectl, Way(("cp", "{archive}", str(target)), registry))  # type: ignore[arg-type]
        store.load(NAME, blob(b"{}"), [blob(b"config"), blob(b"layer")])
        return store, target

    return act


def test_an_archive_is_whole_and_bears_the_name_that_pods_use(load: Callable[..., Any], here: Settings) -> None:
    store, target = load("registry.example.com/team", node(NAME))
    with tarfile.open(target) as archive:
        index = json.load(archive.extractfile("index.json"))  # type: ignore[arg-type]
        assert len(archive.getnames()) == 5
    name = NAME.replace("localhost", "registry.example.com/team")
    assert index["manifests"][0]["annotations"] == {"io.containerd.image.name": name}
    assert store.named(NAME) == name
    assert [one.source for one in store.opened(name)[1]] == [b"config", b"layer"]
    assert list(here.cache.iterdir()) == []


@pytest.mark.parametrize("registry", ["localhost", "localhost:5000/x", "registry.example.com/localhost/y"])
def test_another_build_of_an_image_is_named_like_the_first(load: Callable[..., Any], registry: str) -> None:
    store, _ = load(registry)
    config = blob(json.dumps({"config": {"Cmd": ["serve"]}}).encode())
    manifest = blob(json.dumps({"config": {"digest": config.digest}}).encode())
    store.load(NAME, manifest, [config, blob(b"layer")])
    made = images.another_build(SimpleNamespace(images=store), store.named(NAME), ("serve", "--other"))
    assert made.partition("@")[0] == f"{registry}/sampler-rollouts/sampler"
    assert made == store.named(made)
    assert [one.source for one in store.opened(made)[1]][1:] == [b"layer"]


def test_an_image_that_every_node_has_is_not_sent_again(load: Callable[..., Any]) -> None:
    store, target = load("localhost", node(NAME), node(NAME, "other"))
    assert not target.exists()
    assert store.opened(NAME)[0].source == b"{}"


def test_a_command_that_fails_is_that_of_images(here: Settings) -> None:
    kubectl = FakeKubectl(**{"get nodes": '{"items": []}'})
    store = Archives(here, kubectl, Way(("false",)))  # type: ignore[arg-type]
    with pytest.raises(LocalError, match="`false` failed with exit code 1: the command is that of IMAGES"):
        store.load(NAME, blob(b"{}"), [])


def through(here: Settings, script: str) -> ThroughApiServer:
    kubectl = program(here.run, script)
    return ThroughApiServer(SimpleNamespace(line=lambda *args: [kubectl, *args]), here)  # type: ignore[arg-type]


def test_services_and_pods_are_reached_through_the_api_server(here: Settings) -> None:
    reach = through(here, f'echo "$@" >> {here.run}/asked; echo Starting to serve on 127.0.0.1:4711; exec sleep 60')
    base = "http://127.0.0.1:4711/api/v1/namespaces"
    assert reach.service("demo", "chat") == f"{base}/demo/services/http:chat:80/proxy"
    pod = {"metadata": {"namespace": "demo", "name": "p"}, "status": {"podIP": "10.0.0.9"}}
    assert reach.pod(pod, 9090) == f"{base}/demo/pods/http:p:9090/proxy"
    with reach.client():
        pass
    loopback, socket = (here.run / "asked").read_text().splitlines()
    assert "--port=0 --accept-paths=" in loopback, "the whole API would be open to every user of this machine"
    assert socket == f"proxy --unix-socket={here.run}/api.sock"
    assert Direct(here).pod(pod, 9090) == "http://10.0.0.9:9090"


def test_a_proxy_that_ends_says_why(here: Settings) -> None:
    with pytest.raises(LocalError, match=r"`kubectl proxy` has ended: .*\nno way in"):
        through(here, "echo no way in; exit 1").service("demo", "chat")
