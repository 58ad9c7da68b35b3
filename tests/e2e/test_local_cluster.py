"""The local cluster does what everything else builds on."""

from __future__ import annotations

import json
import select
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from typing import IO, Any

import httpx
import pytest

from local import systemimages, tools
from local.buildah import Buildah
from local.cluster import Cluster
from local.ctr import Ctr
from local.health import answers
from local.process import Daemon
from tests.support.waiting import wait_for

pytestmark = pytest.mark.machine("it is about the local cluster itself")
NAMESPACE = "test-local-cluster"
# A server of one metric, and what it sees of the cluster, told in its log: all from the standard library.
_SERVER = """
import http.server, json, os, pathlib, socket, ssl, urllib.request
secrets = pathlib.Path('/var/run/secrets/kubernetes.io/serviceaccount')
context = ssl.create_default_context(cafile=str(secrets / 'ca.crt'))
request = urllib.request.Request('https://kubernetes.default.svc/apis')
request.add_header('Authorization', 'Bearer ' + (secrets / 'token').read_text())
groups = json.load(urllib.request.urlopen(request, context=context, timeout=10))['kind']
try:
    outside = socket.gethostbyname('example.com')
except OSError:
    outside = None
try:
    pathlib.Path('/probe').touch()
    writable = True
except OSError:
    writable = False
ids = [os.getuid(), os.getgid()]
print(json.dumps({'api': groups, 'outside': outside, 'writable': writable, 'ids': ids}), flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'probe_total 7\\n'
        self.send_response(200)
        self.send_header('Content-Type', 'text/plain; version=0.0.4')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer(('', 9090), Handler).serve_forever()
"""
# Not the name of the pod: that leads to the pod itself, by its hosts file.
_FETCH = "import urllib.request as u; print(u.urlopen('http://probe-service/', timeout=10).read().decode())"


def _manifests(image: str) -> str:
    labels = {f"samplerrollouts.io/{name}": f"probe-{name}" for name in ("rollout", "pool", "revision")}
    closed = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "probe",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", _SERVER],
        "ports": [{"name": "metrics", "containerPort": 9090}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "metrics"}, "periodSeconds": 1},
        "securityContext": closed,
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe", "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "containers": [container],
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "terminationGracePeriodSeconds": 0,
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "probe-service", "namespace": NAMESPACE},
        "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": "metrics"}]},
    }
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    return "\n---\n".join(json.dumps(o) for o in (space, pod, service))


@pytest.fixture(scope="module")
def probe(cluster: Cluster) -> Iterator[Cluster]:
    """A labelled pod of an image of ours, as closed as our pods are, with a Service."""
    image = cluster.build_images("operator")["operator"]
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    cluster.kubectl("apply", "-f", "-", stdin=_manifests(image))
    cluster.kubectl("wait", "--for=condition=Ready", "pod/probe", "-n", NAMESPACE, "--timeout=60s")
    # Ready is known to the API server first, and to the node's rules a moment later.
    wait_for(
        "the probe's Service", lambda: answers(f"http://{_service(cluster, 'probe-service', NAMESPACE)}/"), timeout=20
    )
    yield cluster
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def _seen(cluster: Cluster) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(cluster.kubectl("logs", "probe", "-n", NAMESPACE).splitlines()[0])
    return seen


def _get(url: str) -> str:
    return httpx.get(url, timeout=5, trust_env=False).raise_for_status().text


def _service(cluster: Cluster, name: str, namespace: str) -> str:
    return str(cluster.kubectl.get("service", name, namespace=namespace)["spec"]["clusterIP"])


def forbid(monkeypatch: pytest.MonkeyPatch, *acts: tuple[object, str]) -> None:
    """From now on a call of one of them is a failure: what takes long is not done, however slow the machine is."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("there was nothing to do, and it was done")

    for owner, name in acts:
        monkeypatch.setattr(owner, name, refuse)


def first_line(stream: IO[str], *, within: float) -> str:
    """A program's first line; a program that says nothing is not waited for without end."""
    ready, _, _ = select.select([stream], [], [], within)
    assert ready, f"not a word within {within:.0f} s"
    return stream.readline()


def test_every_component_is_healthy(cluster: Cluster) -> None:
    parts = cluster.components()
    assert all(part.healthy and part.rss_mib > 1 for part in parts), parts


def test_up_on_a_running_cluster_begins_nothing_and_changes_nothing(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {part.name: part.pid for part in cluster.components()}
    forbid(monkeypatch, (tools, "_compile"), (systemimages, "image"), (Ctr, "load"), (Daemon, "start"))
    cluster.up()
    assert {part.name: part.pid for part in cluster.components()} == before


def test_a_pod_reaches_the_api_server_by_name(probe: Cluster) -> None:
    assert _seen(probe)["api"] == "APIGroupList"


def test_a_pod_is_as_closed_as_it_asks_to_be(probe: Cluster) -> None:
    seen = _seen(probe)
    assert seen["writable"] is False
    assert seen["ids"] == [65532, 65532]
    assert seen["outside"] is None


def test_exec_and_a_pod_reaches_a_service_by_name(probe: Cluster) -> None:
    assert "probe_total 7" in probe.kubectl("exec", "probe", "-n", NAMESPACE, "--", "python3", "-c", _FETCH)


def test_the_host_reaches_a_service(probe: Cluster) -> None:
    assert "probe_total 7" in _get(f"http://{_service(probe, 'probe-service', NAMESPACE)}/")


def test_port_forward(probe: Cluster) -> None:
    line = [str(word) for word in probe.kubectl.line("port-forward", "pod/probe", ":9090", "-n", NAMESPACE)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as forward:
        assert forward.stdout is not None
        try:
            address = first_line(forward.stdout, within=60).split()[2]
            assert "probe_total 7" in _get(f"http://{address}/metrics")
        finally:
            forward.terminate()


def test_prometheus_discovers_a_labelled_pod(probe: Cluster) -> None:
    address = probe.kubectl.get("pod", "probe", namespace=NAMESPACE)["status"]["podIP"]
    query = urllib.parse.quote(f'probe_total{{instance="{address}:9090", namespace="{NAMESPACE}"}}')
    url = f"http://{_service(probe, 'prometheus', 'monitoring')}:9090/api/v1/query?query={query}"
    (found,) = wait_for("the probe's metric", lambda: json.loads(_get(url))["data"]["result"], timeout=30)
    names = ("pod", "rollout", "pool", "revision")
    assert {name: found["metric"][name] for name in names} == {
        "pod": "probe",
        "rollout": "probe-rollout",
        "pool": "probe-pool",
        "revision": "probe-revision",
    }
    assert found["value"][1] == "7"


def test_the_kubelet_tells_what_a_pod_uses(probe: Cluster) -> None:
    def measured() -> bool:
        return any(p.namespace == NAMESPACE and p.name == "probe" and p.memory_mib > 1 for p in probe.pod_use())

    assert wait_for("the probe's memory", measured, timeout=60)


def test_an_image_that_did_not_change_is_not_built_again(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cluster.build_images("operator")
    forbid(monkeypatch, (Buildah, "build"), (Buildah, "read"), (Ctr, "load"))
    assert cluster.build_images("operator") == first
    assert first["operator"].startswith("localhost/sampler-rollouts/operator@sha256:")


def test_the_cluster_asks_nothing_of_a_registry(cluster: Cluster) -> None:
    """An image that was never imported fails at once, with a reason that a person can read."""
    name = f"missing-{int(time.time())}"
    line = ["run", name, "--image=localhost/no/such@sha256:" + "0" * 64, "--restart=Never"]
    cluster.kubectl(*line)

    def reason() -> str:
        statuses = cluster.kubectl.get("pod", name)["status"].get("containerStatuses", [{}])
        return str(statuses[0].get("state", {}).get("waiting", {}).get("reason", ""))

    try:
        assert wait_for("the pull to fail", lambda: reason() in {"ErrImagePull", "ImagePullBackOff"}, timeout=60)
    finally:
        cluster.kubectl("delete", "pod", name, "--now")
