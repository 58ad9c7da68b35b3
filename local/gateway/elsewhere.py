"""A Gateway of our own in a cluster where somebody has installed Envoy Gateway."""

from __future__ import annotations

import json
from contextlib import suppress

import httpx

from local import namespaces
from local.client import Kubectl
from local.errors import LocalError
from local.gateway.install import Edge
from local.progress import step, wait_for
from local.reach import Reach

NAME = "sampler-rollouts-edge"
"""Of the Gateway and of its namespace."""
_CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"
_OWNER = "gateway.envoyproxy.io/owning-gateway-{}=" + NAME
_TIMEOUT = 120
_REMEDY = f"see `kubectl describe gateway -n {NAME}` and Envoy Gateway's log"


class NoGatewayError(LocalError):
    """The cluster has no Envoy Gateway."""


def ensure(kubectl: Kubectl, reach: Reach) -> Edge:
    """Make the Gateway, of the first class of Envoy Gateway's that there is, and say where it is asked."""
    of = gateway_class(kubectl)
    namespaces.claim(kubectl, NAME)
    with step(f"bringing up the Gateway {NAME} of class {of}"):
        kubectl("apply", "-f", "-", stdin=json.dumps(manifest(of)))
        url = wait_for(
            "the Gateway's Envoy to answer", lambda: _answering(kubectl, reach), timeout=_TIMEOUT, remedy=_REMEDY
        )
    return Edge(url, NAME, NAME)


def gateway_class(kubectl: Kubectl) -> str:
    """The name of a class that Envoy Gateway serves. Raises NoGatewayError."""
    defined = kubectl("get", "crd", "gatewayclasses.gateway.networking.k8s.io", "--ignore-not-found", "-o", "name")
    found = json.loads(kubectl("get", "gatewayclasses", "-o", "json"))["items"] if defined.strip() else []
    names = [one["metadata"]["name"] for one in found if one["spec"]["controllerName"] == _CONTROLLER]
    if not names:
        raise NoGatewayError("the cluster has no GatewayClass of Envoy Gateway", "install Envoy Gateway there")
    return str(names[0])


def manifest(of: str) -> dict[str, object]:
    """Routes of any namespace may attach."""
    listener = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": NAME, "namespace": NAME},
        "spec": {"gatewayClassName": of, "listeners": [listener]},
    }


def _answering(kubectl: Kubectl, reach: Reach) -> str:
    """Where its Envoy is asked, once it answers that it has no route yet; no load balancer is needed for that."""
    selector = f"{_OWNER.format('name')},{_OWNER.format('namespace')}"
    for service in json.loads(kubectl("get", "services", "-A", "-l", selector, "-o", "json"))["items"]:
        url = reach.service(service["metadata"]["namespace"], service["metadata"]["name"])
        with suppress(httpx.HTTPError):
            if httpx.get(f"{url}/", timeout=5, trust_env=False).status_code == httpx.codes.NOT_FOUND:
                return url
    return ""
