"""The operator by Helm, and a clean namespace for the story."""

from __future__ import annotations

import json
from pathlib import Path

from local import namespaces
from local.anycluster import AnyCluster
from local.demo.api import Api
from local.demo.limits import CLEARING, OPERATOR_READY
from local.demo.manifests import NAME, NAMESPACE
from local.demo.options import TREE
from local.demo.waiting import until
from local.errors import LocalError
from local.gateway.install import REQUESTS

CHART = TREE / "charts" / "sampler-rollouts"
RELEASE = "sampler-rollouts"
OPERATOR_NAMESPACE = "sampler-rollouts"
OPERATOR_LABEL = f"app.kubernetes.io/instance={RELEASE}"
OPERATORS = "app.kubernetes.io/part-of=sampler-rollouts,app.kubernetes.io/component=operator"
_INSTANCES = r"{range .items[*]}{.metadata.namespace}/{.metadata.labels.app\.kubernetes\.io/instance} {end}"
OURS = "put in by make demo or make incidents"
"""What Helm says of our release, so that another one's is known."""


class NotOursError(LocalError):
    """Somebody else has put the operator into the cluster."""


def refuse_others(cluster: AnyCluster) -> None:
    """Refuse a cluster in which somebody else has put the operator: it would be changed, and removed at the end."""
    place = ("--namespace", OPERATOR_NAMESPACE, "--output", "json")
    released = json.loads(cluster.helm("list", "--all", "--filter", f"^{RELEASE}$", *place))
    if released and json.loads(cluster.helm("status", RELEASE, *place))["info"].get("description") != OURS:
        raise NotOursError(
            f"the Helm release {RELEASE} of {cluster.name} is not the demo's own, which would change and remove it",
            f"`helm uninstall {RELEASE} -n {OPERATOR_NAMESPACE}` if nobody needs it, or {cluster.clearing}",
        )
    # Kustomize and Argo CD put it there under the same names, without a release.
    ours = {f"{OPERATOR_NAMESPACE}/{RELEASE}"} if released else set()
    said = cluster.kubectl("get", "deployments", "-A", "-l", OPERATORS, "-o", f"jsonpath={_INSTANCES}")
    if others := set(said.split()) - ours:
        raise NotOursError(
            f"in {cluster.name} an operator runs already, {', '.join(sorted(others))}, and two would fight",
            cluster.clearing,
        )


def operator(cluster: AnyCluster, image: str) -> None:
    """Install the operator, or bring it to this image and these values."""
    namespaces.claim(cluster.kubectl, OPERATOR_NAMESPACE, shared=True)
    line: list[str | Path] = ["upgrade", "--install", RELEASE, CHART, "-n", OPERATOR_NAMESPACE]
    # The CRD may be there already, put in by a test or by hand; the chart's is the one that counts.
    line += ["--take-ownership", "--description", OURS]
    given = json.dumps(values(cluster, image))
    cluster.helm(*line, "--values", "-", "--wait", f"--timeout={OPERATOR_READY}s", stdin=given)


def values(cluster: AnyCluster, image: str) -> dict[str, object]:
    """The chart's values: our image by digest, and where the samples are."""
    source = {
        "url": cluster.prometheus.url,
        "scrapeInterval": cluster.settings.scrape_interval,
        "gatewayRequests": REQUESTS,
    }
    repository, _, digest = image.partition("@")
    return {"image": {"repository": repository, "digest": digest}, "metricsSources": {"default": source}}


def clean_namespace(cluster: AnyCluster, api: Api) -> None:
    """Make the story's namespace, without what an earlier run may have left in it."""
    namespaces.claim(cluster.kubectl, NAMESPACE)
    cluster.kubectl("delete", "samplerrollout", NAME, "-n", NAMESPACE, "--ignore-not-found", "--wait=false")
    cluster.kubectl("delete", "events", "--all", "-n", NAMESPACE, "--wait=false")
    if not until("clearing", lambda: not api.pods(NAMESPACE), CLEARING):
        raise LocalError(
            f"pods of an earlier run stay in the namespace {NAMESPACE}", f"kubectl delete namespace {NAMESPACE}"
        )


def remove(cluster: AnyCluster) -> None:
    """Take the story's namespace and the operator out of a cluster that stays."""
    namespaces.remove(cluster.kubectl, NAMESPACE)
    cluster.helm("uninstall", RELEASE, "--namespace", OPERATOR_NAMESPACE, "--ignore-not-found", "--wait")
    namespaces.remove(cluster.kubectl, OPERATOR_NAMESPACE)
