"""What the chart brings for those who watch: monitors, alerts, dashboards, and who may talk to whom."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from sampler_rollouts.domain.render import METRICS_PORT, Child, Owner
from sampler_rollouts.domain.render_preflight import preflight_deployment

from tests.cluster.conftest import CHART, Obj


def test_the_dashboards_are_rendered_as_they_were_written(render: Any) -> None:
    files = {path.name: json.loads(path.read_text()) for path in (CHART / "dashboards").glob("*.json")}
    maps = {name: one for name, one in render(dashboards={"enabled": True}).items() if name not in render()}
    found = {name: json.loads(text) for one in maps.values() for name, text in one["data"].items()}

    assert found == files
    assert all(one["metadata"]["labels"]["grafana_dashboard"] == "1" for one in maps.values())


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


def test_a_sampler_cannot_speak_for_another(render: Any) -> None:
    """Its own labels of these names are put aside by the scrape, unless labels are honoured."""
    (endpoint,) = render(**MONITORING)["PodMonitor/rel-sampler-rollouts-samplers"]["spec"]["podMetricsEndpoints"]

    assert not endpoint.get("honorLabels")
    assert all("action" not in rule for rule in endpoint["relabelings"])


def test_samplers_are_scraped_only_where_the_operator_looks(render: Any) -> None:
    monitor = render(**MONITORING, watchNamespaces=["a", "b"])["PodMonitor/rel-sampler-rollouts-samplers"]["spec"]

    assert monitor["namespaceSelector"] == {"matchNames": ["a", "b"]}


def test_the_network_policy_lets_out_to_what_is_configured_and_nothing_else(render: Any) -> None:
    """As it is rendered. The local cluster's network holds no policy: nothing here shows that one is in force."""
    peer = {"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}
    policy = {"enabled": True, "metricsSources": {"to": [peer]}, "scrapedFrom": [peer]}
    spec = render(networkPolicy=policy)["NetworkPolicy/rel-sampler-rollouts"]["spec"]
    (ingress,) = spec["ingress"]
    names, server, preflights, metrics = spec["egress"]

    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert ingress == {"ports": [{"port": "probes", "protocol": "TCP"}], "from": [peer]}
    assert {port["port"] for port in names["ports"]} == {53}
    assert {port["port"] for port in server["ports"]} == {443, 6443}
    assert metrics == {"ports": [{"port": 9090, "protocol": "TCP"}], "to": [peer]}
    template = {"spec": {"containers": [{"name": "sampler"}]}}
    examines = preflight_deployment(Owner("a", "b", "c"), Child("d", "e"), template, 5)["spec"]["template"]["metadata"]
    (to,) = preflights["to"]
    assert preflights["ports"] == [{"port": METRICS_PORT, "protocol": "TCP"}]
    assert to["namespaceSelector"] == {}, "in any namespace that has rollouts"
    assert to["podSelector"]["matchLabels"].items() <= examines["labels"].items()


@pytest.mark.parametrize(
    ("url", "port"),
    [("https://one/p", 443), ("http://one", 80), ("http://one:9091/p:1", 9091), ("https://[::1]:8443", 8443)],
)
def test_the_network_policy_knows_the_port_of_a_source(render: Any, url: str, port: int) -> None:
    given = {"metricsSources": {"default": {"url": url}}, "networkPolicy": {"enabled": True}}
    *_, metrics = render(**given)["NetworkPolicy/rel-sampler-rollouts"]["spec"]["egress"]

    assert [one["port"] for one in metrics["ports"]] == [port]
