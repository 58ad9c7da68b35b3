"""What Helm renders from the chart: rights that match the code, a restricted pod, values that are refused."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from sampler_rollouts.cluster.kinds import CONTROLLER_REVISION, DEPLOYMENT, EVENT, POD, SERVICE
from sampler_rollouts.handlers.options import parse
from sampler_rollouts.metrics.config import parse_sources

from local import tools
from local.settings import load

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "sampler-rollouts"
DIGEST = "sha256:" + "a" * 64
Obj = dict[str, Any]


@pytest.fixture(scope="module")
def helm() -> Path:
    """The local cluster's Helm, built if it is not there yet."""
    return tools.ensure(load(), ["helm"])["helm"]


@pytest.fixture
def render(helm: Path, tmp_path: Path) -> Any:
    """Renders the chart and gives the objects by kind and name."""

    def call(fails: str = "", **values: Any) -> dict[str, Obj]:
        given = tmp_path / "values.json"
        given.write_text(json.dumps({"image": {"digest": DIGEST}, **values}))
        environ = {f"HELM_{what}_HOME": str(tmp_path) for what in ("CACHE", "CONFIG", "DATA")}
        line = [helm, "template", "rel", CHART, "-n", "home", "--kube-version", "1.36", "-f", given]
        done = subprocess.run(line, env=environ, capture_output=True, text=True, check=False, timeout=60)
        if fails:
            assert done.returncode != 0
            assert re.search(fails, done.stderr), done.stderr
            return {}
        assert done.returncode == 0, done.stderr
        return {f"{o['kind']}/{o['metadata']['name']}": o for o in yaml.safe_load_all(done.stdout) if o}

    return call


def test_all_namespaces_by_default(render: Any) -> None:
    objects = render()

    assert sorted(objects) == [
        "ClusterRole/home:rel-sampler-rollouts",
        "ClusterRoleBinding/home:rel-sampler-rollouts",
        "ConfigMap/rel-sampler-rollouts",
        "CustomResourceDefinition/samplerrollouts.samplerrollouts.io",
        "Deployment/rel-sampler-rollouts",
        "ServiceAccount/rel-sampler-rollouts",
    ]


def test_chosen_namespaces_get_a_role_each_and_no_cluster_role(render: Any) -> None:
    objects = render(watchNamespaces=["a", "b"])

    assert not [name for name in objects if name.startswith("ClusterRole")]
    role = objects["Role/rel-sampler-rollouts"]
    assert role["metadata"]["namespace"] == "b"
    arguments = objects["Deployment/rel-sampler-rollouts"]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert parse(arguments, {}).namespaces == ("a", "b")


def test_the_rights_are_those_that_the_code_uses(render: Any) -> None:
    rules = render()["ClusterRole/home:rel-sampler-rollouts"]["rules"]
    granted = {
        (group, resource): set(rule["verbs"])
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }

    children = {"get", "list", "create", "patch", "delete"}
    assert granted == {
        ("samplerrollouts.io", "samplerrollouts"): {"get", "list", "watch"},
        ("samplerrollouts.io", "samplerrollouts/status"): {"update"},
        ("samplerrollouts.io", "samplerrollouts/finalizers"): {"update"},
        ("apps", DEPLOYMENT.plural): children | {"watch"},
        ("apps", CONTROLLER_REVISION.plural): children,
        ("", SERVICE.plural): children,
        ("", POD.plural): {"list", "watch"},
        ("events.k8s.io", EVENT.plural): {"get", "create", "patch"},
    }


def test_the_pod_meets_the_restricted_standard(render: Any) -> None:
    pod = render()["Deployment/rel-sampler-rollouts"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["image"] == f"sampler-rollouts/operator@{DIGEST}"


def test_the_process_understands_its_arguments_and_its_file(render: Any) -> None:
    source = {"url": "https://metrics.example/prom", "scrapeInterval": "2s", "caFile": "/ca.crt"}
    objects = render(metricsSources={"default": source, "other": {"url": "http://other:9090"}}, threads=3)
    (container,) = objects["Deployment/rel-sampler-rollouts"]["spec"]["template"]["spec"]["containers"]
    chosen = parse(container["args"], {})
    sources = parse_sources(objects["ConfigMap/rel-sampler-rollouts"]["data"]["config.yaml"]).metrics_sources

    assert (chosen.threads, chosen.probe_port, chosen.config) == (3, 8080, "/etc/sampler-rollouts/config.yaml")
    assert set(sources) == {"default", "other"}
    assert (sources["default"].scrape_interval, sources["default"].timeout) == (2.0, 5.0)


def test_a_change_of_the_sources_starts_the_operator_anew(render: Any) -> None:
    def checksum(**values: Any) -> str:
        template = render(**values)["Deployment/rel-sampler-rollouts"]["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/config"])

    assert checksum() == checksum()
    assert checksum() != checksum(metricsSources={"default": {"url": "http://elsewhere"}})


def test_the_crd_is_rendered_as_it_was_generated(render: Any) -> None:
    (generated,) = (yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml"))
    name = "CustomResourceDefinition/samplerrollouts.samplerrollouts.io"
    kept, removed = render()[name], render(crds={"keep": False})[name]

    assert kept["spec"] == removed["spec"] == generated["spec"]
    assert kept["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert "annotations" not in removed["metadata"]
    assert name not in render(crds={"enabled": False})


MONITORING: Obj = {
    "podMonitor": {"operator": {"enabled": True}, "samplers": {"enabled": True}},
    "prometheusRule": {"enabled": True, "runbookUrl": "https://docs.example/runbooks/"},
}


def test_the_alerts_are_rendered_as_they_were_written(render: Any) -> None:
    written = (CHART / "alerts" / "alerts.yaml").read_text().replace("${stale_seconds}", "300")
    expected = yaml.safe_load(written)["groups"]
    for rule in expected[0]["rules"]:
        rule["annotations"]["runbook_url"] = f"https://docs.example/runbooks/{rule['alert']}.md"

    assert render(**MONITORING)["PrometheusRule/rel-sampler-rollouts"]["spec"]["groups"] == expected


def test_an_operator_that_lists_rarely_is_not_taken_for_one_that_hangs(render: Any) -> None:
    rules = render(**MONITORING, resyncSeconds=120)["PrometheusRule/rel-sampler-rollouts"]["spec"]["groups"][0]["rules"]
    (expression,) = (rule["expr"] for rule in rules if rule["alert"] == "SamplerOperatorNotReconciling")

    assert "sampler_rollouts_last_resync_age_seconds > 600" in expression


def test_the_operators_series_keep_their_rollouts_namespace(render: Any) -> None:
    objects = render(**MONITORING)
    monitor = objects["PodMonitor/rel-sampler-rollouts"]["spec"]
    pod = objects["Deployment/rel-sampler-rollouts"]["spec"]["template"]
    (endpoint,) = monitor["podMetricsEndpoints"]

    assert endpoint["honorLabels"] is True
    assert endpoint["port"] in {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
    assert monitor["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


@pytest.mark.parametrize(("given", "interval"), [("2s", "2s"), (2, "2000ms"), (0.5, "500ms"), (None, "15s")])
def test_samplers_are_scraped_as_often_as_the_operator_is_told(render: Any, given: Any, interval: str) -> None:
    source = {"url": "http://p"} | ({"scrapeInterval": given} if given else {})
    monitoring = {"podMonitor": {"samplers": {"enabled": True, "source": "own"}}}
    monitor = render(**monitoring, metricsSources={"own": source})["PodMonitor/rel-sampler-rollouts-samplers"]["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]

    assert endpoint["interval"] == interval
    assert {rule["targetLabel"] for rule in endpoint["relabelings"]} == {
        "namespace", "pod", "rollout", "pool", "revision"
    }  # fmt: skip
    assert monitor["namespaceSelector"] == {"any": True}


def test_samplers_are_scraped_only_where_the_operator_looks(render: Any) -> None:
    monitor = render(**MONITORING, watchNamespaces=["a", "b"])["PodMonitor/rel-sampler-rollouts-samplers"]["spec"]

    assert monitor["namespaceSelector"] == {"matchNames": ["a", "b"]}


def test_the_network_policy_lets_out_to_what_is_configured_and_nothing_else(render: Any) -> None:
    peer = {"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}
    policy = {"enabled": True, "metricsSources": {"to": [peer]}, "scrapedFrom": [peer]}
    spec = render(networkPolicy=policy)["NetworkPolicy/rel-sampler-rollouts"]["spec"]
    (ingress,) = spec["ingress"]
    names, server, metrics = spec["egress"]

    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert ingress == {"ports": [{"port": "probes", "protocol": "TCP"}], "from": [peer]}
    assert {port["port"] for port in names["ports"]} == {53}
    assert {port["port"] for port in server["ports"]} == {443, 6443}
    assert metrics == {"ports": [{"port": 9090, "protocol": "TCP"}], "to": [peer]}


@pytest.mark.parametrize(
    ("url", "port"),
    [("https://one/p", 443), ("http://one", 80), ("http://one:9091/p:1", 9091), ("https://[::1]:8443", 8443)],
)
def test_the_network_policy_knows_the_port_of_a_source(render: Any, url: str, port: int) -> None:
    given = {"metricsSources": {"default": {"url": url}}, "networkPolicy": {"enabled": True}}
    *_, metrics = render(**given)["NetworkPolicy/rel-sampler-rollouts"]["spec"]["egress"]

    assert [one["port"] for one in metrics["ports"]] == [port]


@pytest.mark.parametrize(("given", "seconds"), [("1s", 1.0), ("0m7s", 7.0), (0.1, 0.1), (7.5, 7.5)])
def test_the_timeouts_that_the_chart_takes_are_those_of_the_process(render: Any, given: Any, seconds: float) -> None:
    objects = render(metricsSources={"default": {"url": "http://host", "timeout": given}})
    config = objects["ConfigMap/rel-sampler-rollouts"]["data"]["config.yaml"]

    assert parse_sources(config).metrics_sources["default"].timeout == seconds


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"image": {"digest": "", "tag": ""}}, "image.digest is required"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"imagee": {}}, "imagee"),
        ({"metricsSources": {"default": {"url": "http://user:secret@host"}}}, "url"),
        ({"metricsSources": {"default": {"url": "ftp://host"}}}, "url"),
        ({"metricsSources": {"default": {"insecureSkipVerify": True}}}, "insecureSkipVerify"),
        ({"metricsSources": {"default": {"url": "http://host", "timeout": "8s"}}}, "timeout"),
        ({"metricsSources": {"default": {"url": "http://host", "timeout": 7.6}}}, "timeout"),
        ({"metricsSources": {"default": {"url": "http://host", "scrapeInterval": "10m"}}}, "scrapeInterval"),
        ({"watchNamespaces": ["Not_A_Name"]}, "watchNamespaces"),
        ({"serviceAccount": {"create": False}}, "serviceAccount.name is required"),
        ({"podMonitor": {"samplers": {"enabled": True, "source": "none"}}}, "samplers.source: .*name one of"),
        ({"podMonitor": {"operator": {"interval": "often"}}}, "interval"),
        ({"prometheusRule": {"runbookUrl": "docs/runbooks"}}, "runbookUrl"),
        ({"networkPolicy": {"apiServer": {"ports": []}}}, "ports"),
    ],
)
def test_wrong_values_are_refused(render: Any, values: Obj, message: str) -> None:
    render(fails=message, **values)


def test_helm_finds_nothing_to_complain_about(helm: Path, tmp_path: Path) -> None:
    environ = {f"HELM_{what}_HOME": str(tmp_path) for what in ("CACHE", "CONFIG", "DATA")}
    line = [helm, "lint", "--strict", CHART, "--set", f"image.digest={DIGEST}"]
    done = subprocess.run(line, env=environ, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stdout
