"""Drive SamplerRollouts from tests, as a user would: kubectl and Helm."""

from __future__ import annotations

import json
from typing import Any

import httpx
from sampler_rollouts.domain.resource import GROUP, PROMOTE_ANNOTATION

from local import namespaces
from local.anycluster import AnyCluster
from local.errors import LocalError
from local.gateway.install import REQUESTS
from tests.support.definition import OF_TESTS
from tests.support.waiting import wait_for

RELEASE = "sampler-rollouts"
OPERATOR_NAMESPACE = "sampler-rollouts"
CANARY_WEIGHT = 50
CHART = "charts/sampler-rollouts"


def install_operator(cluster: AnyCluster, image: str) -> None:
    """Install or upgrade the operator with the cluster's Prometheus as its metrics source."""
    repository, digest = image.split("@")
    source = {"url": cluster.prometheus.url, "scrapeInterval": "2s", "gatewayRequests": REQUESTS}
    values = {
        "image": {"repository": repository, "digest": digest},
        "metricsSources": {"default": source},
        "authors": {"compileCaches": ["compiled-*"]},
    }
    namespaces.claim(cluster.kubectl, OPERATOR_NAMESPACE, shared=True)
    cluster.helm(
        "upgrade", "--install", RELEASE, CHART, "-n", OPERATOR_NAMESPACE,
        "--take-ownership", "--wait", "--timeout", "3m", "-f", "-",
        stdin=json.dumps(values),
    )  # fmt: skip


def refuse_installed_operator(cluster: AnyCluster) -> None:
    """Refuse a cluster in which the operator is installed: tests would change it, run another beside it, remove it.

    By Helm, by kustomize or by hand; a definition alone too, which tests would replace and take away. What tests have
    left is no reason: a definition with their label, or one that was kept of a Helm release that is gone.
    """
    found = cluster.kubectl("get", "secrets", "-A", "-l", f"owner=helm,name={RELEASE}", "-o", "name")
    if found.strip():
        raise LocalError(
            f"the Helm release {RELEASE} is in {cluster.name} already, perhaps of a demo kept with KEEP=1, and the "
            "tests would change and remove it",
            cluster.clearing,
        )
    strange = [*_listed(cluster, "deployments", _OPERATOR), *_listed(cluster, "customresourcedefinitions", _OF_OTHERS)]
    if strange:
        raise LocalError(
            f"in {cluster.name} are already {', '.join(strange)}, perhaps by kustomize, and the tests would change "
            "and remove them",
            f"{cluster.clearing}, or delete them if nobody needs them",
        )


_OPERATOR = "app.kubernetes.io/part-of=sampler-rollouts,app.kubernetes.io/component=operator"
_OF_OTHERS = f"!{OF_TESTS},app.kubernetes.io/managed-by!=Helm"
_LINE = '{range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name}{"\\n"}{end}'


def _listed(cluster: AnyCluster, kind: str, selector: str) -> list[str]:
    """What is ours of a kind, as kind, namespace (of a definition none) and name."""
    lines = cluster.kubectl("get", kind, "-A", "-l", selector, "-o", f"jsonpath={_LINE}").split()
    return [line.replace("//", "/") for line in lines if "//" not in line or line.endswith(f".{GROUP}")]


def synthetic_pool(name: str, image: str, **env: str) -> dict[str, Any]:
    """A pool of two servers with the synthetic model; ``env`` makes one build differ from another.

    They compile for one batch size: each further one is a second of a processor at the start of every pod.
    """
    variables = {"SAMPLER_MODEL": "synthetic", "SAMPLER_BATCH_SIZES": "4", **env}
    return {
        "name": name,
        "platform": "cpu",
        "replicas": 2,
        "image": image,
        "sampler": {"auditShare": "100%"},
        "template": {"env": [{"name": key, "value": value} for key, value in variables.items()]},
    }


def manifest(name: str, pools: list[dict[str, Any]], *, pause: bool = False) -> dict[str, Any]:
    """A SamplerRollout for two pools in one wave, quick enough for a test; ``pause``: the canary waits for a person."""
    steps: list[dict[str, Any]] = [{"weight": CANARY_WEIGHT, "minDuration": "5s"}]
    return {
        "apiVersion": "samplerrollouts.io/v1alpha1",
        "kind": "SamplerRollout",
        "metadata": {"name": name},
        "spec": {
            "pools": pools,
            "strategy": {
                "waves": [[pool["name"] for pool in pools]],
                "steps": [*steps, {"pause": {}}] if pause else steps,
                "progressDeadline": "120s",
                "deadline": "10m",
                "bakeTime": "5s",
            },
            "quality": {
                "designEffect": "1",
                "checks": [
                    {"name": "errors", "maxRate": "3%"},
                    {"name": "unexpected-script", "maxRate": "3%"},
                    {"name": "replay-audit", "maxRate": "3%"},
                ],
            },
            "rollback": {"drainTimeout": "10s"},
        },
    }


def condition_of(resource: dict[str, Any], kind: str) -> dict[str, Any]:
    """A condition of a SamplerRollout that speaks of its present generation, or an empty one."""
    now = resource["metadata"]["generation"]
    for condition in resource.get("status", {}).get("conditions", []):
        if condition["type"] == kind and condition.get("observedGeneration") == now:
            return dict(condition)
    return {}


class Rollouts:
    """SamplerRollouts in one namespace."""

    def __init__(self, cluster: AnyCluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def create_namespace(self) -> None:
        """Create the namespace, under the Pod Security level that production would use; a crashed run's is removed."""
        namespaces.remove(self.cluster.kubectl, self.namespace)
        namespaces.claim(self.cluster.kubectl, self.namespace)
        self.kubectl("label", "namespace", self.namespace, "pod-security.kubernetes.io/enforce=restricted")

    def delete_namespace(self, *, wait: bool = True) -> None:
        """Delete it with all that is in it; without ``wait`` its servers may drain while others go on."""
        namespaces.remove(self.cluster.kubectl, self.namespace, wait=wait)

    def kubectl(self, *args: str, stdin: str | None = None, timeout: float = 180) -> str:
        """Run kubectl in the namespace."""
        return self.cluster.kubectl("-n", self.namespace, *args, stdin=stdin, timeout=timeout)

    def apply(self, resource: dict[str, Any]) -> None:
        """Apply a manifest as a user would."""
        self.kubectl("apply", "-f", "-", stdin=json.dumps(resource))

    def get(self, kind: str, name: str = "") -> dict[str, Any]:
        """An object, or a list."""
        return self.cluster.kubectl.get(kind, name, namespace=self.namespace)

    def status(self, name: str) -> dict[str, Any]:
        """The status of a SamplerRollout."""
        status: dict[str, Any] = self.get("samplerrollout", name).get("status", {})
        return status

    def condition(self, name: str, kind: str) -> dict[str, Any]:
        """A condition of it that speaks of the present generation, or an empty one."""
        return condition_of(self.get("samplerrollout", name), kind)

    def wait_condition(self, name: str, kind: str, value: str = "True", *, timeout: float) -> dict[str, Any]:
        """Wait for a condition of the present generation."""

        def probe() -> dict[str, Any]:
            condition = self.condition(name, kind)
            return condition if condition.get("status") == value else {}

        try:
            return wait_for(f"{kind}={value} of {name}", probe, timeout=timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{json.dumps(self.status(name), indent=1)}") from None

    def waits_for_person(self, name: str) -> bool:
        """Whether the rollout stands at its pause."""
        return bool(self.condition(name, "Reconciling").get("reason") == "WaitingForPerson")

    def let_go_on(self, name: str) -> None:
        """Say as a person that the rollout may go on past its pause."""
        release = self.status(name)["candidate"]["hash"]
        self.kubectl("annotate", "samplerrollout", name, f"{PROMOTE_ANNOTATION}={release}", "--overwrite")

    def reached_service(self, name: str) -> str:
        """Where the standard class's Service is asked, once it answers.

        `Ready` says that pods serve; who leads to a new Service hears of it a moment later.
        """
        url = self.cluster.reach.service(self.namespace, f"{name}-standard")
        wait_for("the Service's first answer", lambda: _answers(url), timeout=30)
        return url

    def candidate_requests(self, name: str) -> int:
        """Requests that the candidate has answered in all pools."""
        return sum((pool.get("requests") or {}).get("exposed", 0) for pool in self.status(name).get("pools", []))


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/models", timeout=5, trust_env=False).is_success
    except httpx.ConnectError:
        return False
