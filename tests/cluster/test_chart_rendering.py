"""What Helm renders from the chart: rights that match the code, a restricted pod, values that are refused."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sampler_rollouts.cluster.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    EVENT,
    HTTP_ROUTE,
    POD,
    SAMPLER_POOL,
    SERVICE,
)
from sampler_rollouts.domain.allowed import BY_DEFAULT, Allowed
from sampler_rollouts.domain.together import ALONE
from sampler_rollouts.handlers.options import Options, parse
from sampler_rollouts.metrics.config import parse_sources

from tests.cluster.conftest import CHART, DIGEST, Obj
from tests.cluster.test_chart_monitoring import MONITORING

ROOT = CHART.parents[1]


def test_all_namespaces_by_default(render: Any) -> None:
    objects = render()

    assert sorted(objects) == [
        "ClusterRole/home:rel-sampler-rollouts",
        "ClusterRole/home:rel-sampler-rollouts:check-templates",
        "ClusterRole/home:rel-sampler-rollouts:edit",
        "ClusterRole/home:rel-sampler-rollouts:view",
        "ClusterRoleBinding/home:rel-sampler-rollouts",
        "ClusterRoleBinding/home:rel-sampler-rollouts:check-templates",
        "ConfigMap/rel-sampler-rollouts",
        "CustomResourceDefinition/clusterchecktemplates.samplerrollouts.io",
        "CustomResourceDefinition/samplerpools.samplerrollouts.io",
        "CustomResourceDefinition/samplerrollouts.samplerrollouts.io",
        "Deployment/rel-sampler-rollouts",
        "Pod/rel-sampler-rollouts-check",
        "ServiceAccount/rel-sampler-rollouts",
    ]


def test_chosen_namespaces_get_a_role_each_and_of_the_cluster_only_what_has_no_namespace(render: Any) -> None:
    objects = render(watchNamespaces=["a", "b"])

    name = "home:rel-sampler-rollouts:check-templates"
    assert [one for one in objects if one.startswith("ClusterRole/")] == [f"ClusterRole/{name}"]
    rule = {"apiGroups": ["samplerrollouts.io"], "resources": ["clusterchecktemplates"], "verbs": ["get"]}
    assert objects[f"ClusterRole/{name}"]["rules"] == [rule]
    assert objects[f"ClusterRoleBinding/{name}"]["subjects"][0]["name"] == "rel-sampler-rollouts"
    none = render(watchNamespaces=["a"], rbac={"checkTemplates": False})
    assert not [one for one in none if one.startswith("ClusterRole")]
    role = objects["Role/rel-sampler-rollouts"]
    assert role["metadata"]["namespace"] == "b"
    assert started(objects["Deployment/rel-sampler-rollouts"]["spec"]["template"]["spec"]).namespaces == ("a", "b")


def started(pod: Obj, *arguments: str) -> Options:
    """How the process of a pod runs; or one that is started beside it, which has its environment alone."""
    (container,) = pod["containers"]
    environ = {one["name"]: one["value"] for one in container.get("env", [])}
    return parse(arguments or container["args"], environ)


def test_a_check_in_the_operators_pod_needs_no_arguments(render: Any) -> None:
    """`kubectl exec` as the runbooks say it: it asks where and by which configuration the operator works."""
    for namespaces in ([], ["a", "b"]):
        for pod in pods(render(watchNamespaces=namespaces)):
            chosen = started(pod, "--check")
            assert (chosen.config, chosen.namespaces) == ("/etc/sampler-rollouts/config.yaml", tuple(namespaces))


def test_holders_of_kubernetes_own_roles_may_read_and_write_samplerrollouts(render: Any) -> None:
    objects = render()
    added = {name.rpartition(":")[2]: one for name, one in objects.items() if aggregated(one)}
    kinds = ["samplerrollouts", "samplerpools", "clusterchecktemplates"]

    assert {name: aggregated(one) for name, one in added.items()} == {
        "view": ["admin", "edit", "view"],
        "edit": ["admin", "edit"],
    }
    assert [(one["resources"], one["verbs"]) for one in added["view"]["rules"]] == [
        (kinds, ["get", "list", "watch"]),
        (["samplerrollouts/status", "samplerpools/status", "samplerpools/scale"], ["get"]),
    ]
    assert [(one["resources"], one["verbs"]) for one in added["edit"]["rules"]] == [
        (["samplerrollouts"], ["create", "update", "patch", "delete"]),
        (["samplerpools/scale"], ["update", "patch"]),
    ]
    for values in ({"rbac": {"aggregate": False}}, {"rbac": {"create": False}}, {"watchNamespaces": ["a"]}):
        assert not [one for one in render(**values).values() if aggregated(one)], values


def aggregated(one: Obj) -> list[str]:
    """Kubernetes' roles that a ClusterRole is added to."""
    start = "rbac.authorization.k8s.io/aggregate-to-"
    return sorted(key.removeprefix(start) for key in one["metadata"].get("labels", {}) if key.startswith(start))


def test_the_rights_are_those_that_the_code_uses(render: Any) -> None:
    rules = render()["ClusterRole/home:rel-sampler-rollouts"]["rules"]
    granted = {
        (group, resource): set(rule["verbs"])
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }

    children = {"get", "list", "watch", "create", "patch", "delete"}
    assert granted == {
        ("samplerrollouts.io", "samplerrollouts"): {"get", "list", "watch"},
        ("samplerrollouts.io", "samplerrollouts/status"): {"update"},
        ("samplerrollouts.io", "samplerrollouts/finalizers"): {"update"},
        ("samplerrollouts.io", SAMPLER_POOL.plural): children,
        ("samplerrollouts.io", f"{SAMPLER_POOL.plural}/status"): {"patch"},
        ("apps", DEPLOYMENT.plural): children,
        ("gateway.networking.k8s.io", HTTP_ROUTE.plural): children,
        ("apps", CONTROLLER_REVISION.plural): children,
        ("", SERVICE.plural): children,
        ("policy", DISRUPTION_BUDGET.plural): children,
        ("", POD.plural): {"list", "watch"},
        ("", f"{POD.plural}/status"): {"patch"},
        ("events.k8s.io", EVENT.plural): {"get", "create", "patch"},
    }


def pods(objects: dict[str, Obj]) -> list[Obj]:
    """The operator's, and that of `helm test`."""
    return [
        objects["Deployment/rel-sampler-rollouts"]["spec"]["template"]["spec"],
        objects["Pod/rel-sampler-rollouts-check"]["spec"],
    ]


def test_the_pods_meet_the_restricted_standard(render: Any) -> None:
    for pod in pods(render()):
        (container,) = pod["containers"]

        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["image"] == f"sampler-rollouts/operator@{DIGEST}"


def test_helm_test_checks_what_the_operator_needs_and_no_deployment_selects_its_pod(render: Any) -> None:
    objects = render(watchNamespaces=["a"], networkPolicy={"enabled": True})
    check, operator = objects["Pod/rel-sampler-rollouts-check"], objects["Deployment/rel-sampler-rollouts"]
    selector = operator["spec"]["selector"]["matchLabels"]

    assert check["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert started(check["spec"]).check
    assert started(check["spec"]).namespaces == ("a",)
    assert check["spec"]["serviceAccountName"] == operator["spec"]["template"]["spec"]["serviceAccountName"]
    assert not selector.items() <= check["metadata"]["labels"].items()


@pytest.mark.parametrize("names", [{}, {"nameOverride": "other"}, {"fullnameOverride": "other"}], ids=str)
def test_helm_test_runs_under_the_operators_network_policy(render: Any, names: Obj) -> None:
    """As it is rendered. The local cluster's network holds no policy: nothing here shows that one is in force."""
    objects = {key.split("/")[0]: one for key, one in render(networkPolicy={"enabled": True}, **names).items()}
    chosen = objects["NetworkPolicy"]["spec"]["podSelector"]
    (wanted,) = chosen["matchExpressions"]

    assert (wanted["key"], wanted["operator"]) == ("app.kubernetes.io/name", "In")
    for pod in (objects["Deployment"]["spec"]["template"], objects["Pod"]):
        labels = pod["metadata"]["labels"]
        assert chosen["matchLabels"].items() <= labels.items()
        assert labels[wanted["key"]] in wanted["values"]
    assert not chosen["matchLabels"].keys() & {wanted["key"]}


def test_secrets_of_metrics_sources_are_mounted_by_reference(render: Any) -> None:
    token, ca = {"name": "token", "key": "bearer"}, {"name": "ca", "key": "bundle.pem"}
    one, two = {"bearerTokenSecret": token, "caConfigMap": ca}, {"caSecret": ca, "bearerTokenFile": "/mine"}
    objects = render(metricsSources={"default": {"url": "http://p"} | one, "b": {"url": "http://q"} | two})
    sources = parse_sources(objects["ConfigMap/rel-sampler-rollouts"]["data"]["config.yaml"]).metrics_sources
    credentials = "/var/run/sampler-rollouts/metrics"

    assert str(sources["default"].bearer_token_file) == f"{credentials}/default/token"
    assert str(sources["default"].ca_file) == f"{credentials}/default/ca.crt"
    assert (str(sources["b"].bearer_token_file), str(sources["b"].ca_file)) == ("/mine", f"{credentials}/b/ca.crt")
    for pod in pods(objects):
        (volume,) = (one for one in pod["volumes"] if one["name"] == "credentials")
        (mount,) = (one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "credentials")
        assert (mount["mountPath"], mount["readOnly"]) == (credentials, True)
        assert volume["projected"]["sources"] == [
            {"secret": {"name": "ca", "items": [{"key": "bundle.pem", "path": "b/ca.crt"}]}},
            {"secret": {"name": "token", "items": [{"key": "bearer", "path": "default/token"}]}},
            {"configMap": {"name": "ca", "items": [{"key": "bundle.pem", "path": "default/ca.crt"}]}},
        ]


def test_receivers_of_notifications_are_told_to_the_process_and_their_secrets_are_mounted(render: Any) -> None:
    key, url = {"name": "bot", "key": "key"}, {"name": "slack-webhook", "key": "url"}
    bot = {"url": "https://bot.tools.svc", "signingKeySecret": key, "caConfigMap": {"name": "ca", "key": "ca.pem"}}
    pager = {"format": "PagerDuty", "routingKeyFile": "/mine", "deadline": "30m", "types": ["Held"]}
    receivers = {"bot": bot, "slack": {"format": "Slack", "urlSecret": url}, "pager": pager}
    objects = render(notifications={"cluster": "east", "receivers": receivers})
    told = parse_sources(objects["ConfigMap/rel-sampler-rollouts"]["data"]["config.yaml"]).notifications
    mounted = "/var/run/sampler-rollouts/receivers"

    assert (told.cluster, sorted(told.receivers)) == ("east", ["bot", "pager", "slack"])
    assert str(told.receivers["bot"].signing_key_file) == f"{mounted}/bot/signingKey"
    assert str(told.receivers["bot"].ca_file) == f"{mounted}/bot/ca.crt"
    assert str(told.receivers["slack"].url_file) == f"{mounted}/slack/url"
    assert (str(told.receivers["pager"].routing_key_file), told.receivers["pager"].deadline) == ("/mine", 1800.0)
    for pod in pods(objects):
        (volume,) = (one for one in pod["volumes"] if one["name"] == "receivers")
        (mount,) = (one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "receivers")
        assert (mount["mountPath"], mount["readOnly"]) == (mounted, True)
        assert volume["projected"]["sources"] == [
            {"secret": {"name": "bot", "items": [{"key": "key", "path": "bot/signingKey"}]}},
            {"configMap": {"name": "ca", "items": [{"key": "ca.pem", "path": "bot/ca.crt"}]}},
            {"secret": {"name": "slack-webhook", "items": [{"key": "url", "path": "slack/url"}]}},
        ]


@pytest.mark.parametrize(
    "file", sorted((ROOT / "examples" / "notifications").glob("*.yaml")), ids=lambda file: file.stem
)
def test_the_examples_of_notifications_are_values_of_the_chart(render: Any, file: Path) -> None:
    objects = render(**yaml.safe_load(file.read_text()))
    assert (
        len(parse_sources(objects["ConfigMap/rel-sampler-rollouts"]["data"]["config.yaml"]).notifications.receivers)
        == 1
    )


def test_the_network_policy_lets_out_to_the_receivers(render: Any) -> None:
    bot = {"url": "https://bot.tools.svc:8443/a", "signingKeyFile": "/key"}
    pager = {"format": "PagerDuty", "routingKeyFile": "/key"}
    peer = {"namespaceSelector": {"matchLabels": {"name": "tools"}}}
    policy = {"enabled": True, "notifications": {"to": [peer]}}
    given = {"networkPolicy": policy, "notifications": {"receivers": {"bot": bot, "pager": pager}}}
    *_, told = render(**given)["NetworkPolicy/rel-sampler-rollouts"]["spec"]["egress"]

    assert (sorted(one["port"] for one in told["ports"]), told["to"]) == ([443, 8443], [peer])


def test_the_network_policy_lets_out_to_pods_behind_a_service_of_another_port(render: Any) -> None:
    """A policy is compared with the pod's port, mostly; the address has the Service's."""
    bot = {"url": "https://bot.tools.svc", "signingKeyFile": "/key"}
    given: Obj = {
        "metricsSources": {"default": {"url": "http://prometheus-server.monitoring.svc"}},
        "notifications": {"receivers": {"bot": bot}},
    }
    further = {"metricsSources": {"ports": [80, 9090]}, "notifications": {"ports": [8443]}}

    def ports(policy: Obj) -> list[list[int]]:
        rules = render(networkPolicy={"enabled": True} | policy, **given)["NetworkPolicy/rel-sampler-rollouts"]["spec"]
        return [[one["port"] for one in rule["ports"]] for rule in rules["egress"][-2:]]

    assert ports({}) == [[80], [443]]
    assert ports(further) == [[80, 9090], [443, 8443]]


NUMBER = "123"
"""A name that YAML would take for a number."""


def test_names_that_look_like_numbers_stay_names(render: Any) -> None:
    given: Obj = {
        "fullnameOverride": NUMBER,
        "nameOverride": NUMBER,
        "priorityClassName": NUMBER,
        "imagePullSecrets": [NUMBER],
        "image": {"repository": NUMBER, "digest": "", "tag": NUMBER},
        "networkPolicy": {"enabled": True},
        "dashboards": {"enabled": True},
        **MONITORING,
    }
    for values in (given, given | {"watchNamespaces": [NUMBER], "serviceAccount": {"name": NUMBER}}):
        for one in render(release=NUMBER, namespace=NUMBER, **values).values():
            assert not list(numbers(one)), one["kind"]


def numbers(node: Any, place: str = "") -> Iterator[str]:
    """Where the number is."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from numbers(value, f"{place}.{key}")
    elif isinstance(node, list):
        for value in node:
            yield from numbers(value, place)
    elif node == int(NUMBER):
        yield place


def test_labels_and_annotations_are_added_to_the_charts_own(render: Any) -> None:
    given = {"podLabels": {"team": "a"}, "podAnnotations": {"sidecar.istio.io/inject": "false"}}
    with_them = render(**given)["Deployment/rel-sampler-rollouts"]["spec"]["template"]["metadata"]
    without = render()["Deployment/rel-sampler-rollouts"]["spec"]["template"]["metadata"]

    assert with_them["labels"] == without["labels"] | given["podLabels"]
    assert with_them["annotations"] == without["annotations"] | given["podAnnotations"]


@pytest.mark.parametrize("interval", ["", "30s", "500ms", "1m", "1m30s", "1h0m", "2s500ms"])
def test_the_operator_is_scraped_as_often_as_prometheus_can_be_told(render: Any, interval: str) -> None:
    monitor = {"operator": {"enabled": True, "interval": interval}}
    (endpoint,) = render(podMonitor=monitor)["PodMonitor/rel-sampler-rollouts"]["spec"]["podMetricsEndpoints"]

    assert endpoint.get("interval", "") == interval


def test_without_references_nothing_is_mounted_for_them(render: Any) -> None:
    assert all({volume["name"] for volume in pod["volumes"]} == {"config", "tmp"} for pod in pods(render()))


def test_further_volumes_are_mounted(render: Any) -> None:
    volume, mount = {"name": "more", "emptyDir": {}}, {"name": "more", "mountPath": "/m"}
    for pod in pods(render(extraVolumes=[volume], extraVolumeMounts=[mount])):
        assert volume in pod["volumes"]
        assert mount in pod["containers"][0]["volumeMounts"]


def test_the_process_understands_its_arguments_and_its_file(render: Any) -> None:
    source = {"url": "https://metrics.example/prom", "scrapeInterval": "2s", "caFile": "/ca.crt"}
    objects = render(metricsSources={"default": source, "other": {"url": "http://other:9090"}}, threads=3)
    chosen = started(objects["Deployment/rel-sampler-rollouts"]["spec"]["template"]["spec"])
    sources = parse_sources(objects["ConfigMap/rel-sampler-rollouts"]["data"]["config.yaml"]).metrics_sources

    assert (chosen.threads, chosen.probe_port, chosen.config) == (3, 8080, "/etc/sampler-rollouts/config.yaml")
    assert set(sources) == {"default", "other"}
    assert (sources["default"].scrape_interval, sources["default"].timeout) == (2.0, 5.0)


def test_namespaces_that_heed_each_other_are_told_to_the_process(render: Any) -> None:
    config = render(suspects={"acrossNamespaces": ["serving", "team-*"]})["ConfigMap/rel-sampler-rollouts"]["data"]
    assert parse_sources(config["config.yaml"]).suspects.across_namespaces == ("serving", "team-*")
    assert parse_sources(render()["ConfigMap/rel-sampler-rollouts"]["data"]["config.yaml"]).suspects == ALONE


def test_what_authors_may_choose_is_told_to_the_process(render: Any) -> None:
    given = {"images": ["registry.example.com/samplers"], "imageTags": False, "env": [], "args": False}
    config = render(authors=given)["ConfigMap/rel-sampler-rollouts"]["data"]["config.yaml"]

    assert parse_sources(config).authors == Allowed(
        images=("registry.example.com/samplers",), image_tags=False, env=(), args=False
    )
    assert parse_sources(render()["ConfigMap/rel-sampler-rollouts"]["data"]["config.yaml"]).authors == BY_DEFAULT


def test_a_change_of_the_sources_starts_the_operator_anew(render: Any) -> None:
    def checksum(**values: Any) -> str:
        template = render(**values)["Deployment/rel-sampler-rollouts"]["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/config"])

    assert checksum() == checksum()
    assert checksum() != checksum(metricsSources={"default": {"url": "http://elsewhere"}})


@pytest.mark.parametrize("plural", ["samplerrollouts", "samplerpools", "clusterchecktemplates"])
def test_the_crd_is_rendered_as_it_was_generated(render: Any, plural: str) -> None:
    generated = yaml.safe_load((ROOT / "crds" / f"{plural}.samplerrollouts.io.yaml").read_text())
    name = f"CustomResourceDefinition/{plural}.samplerrollouts.io"
    kept, removed = render()[name], render(crds={"keep": False})[name]

    assert kept["spec"] == removed["spec"] == generated["spec"]
    assert kept["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert "annotations" not in removed["metadata"]
    assert name not in render(crds={"enabled": False})


@pytest.fixture
def notes(render: Any, tmp_path: Path) -> Any:
    """What helm says after an installation: it renders that only beside a cluster, so here as part of an object."""
    chart = shutil.copytree(CHART, tmp_path / "chart")
    (chart / "templates" / "NOTES.txt").rename(chart / "notes")
    said = 'kind: Said\nmetadata: {name: notes}\ntext: |\n  {{- tpl (.Files.Get "notes") . | nindent 2 }}\n'
    (chart / "templates" / "said.yaml").write_text(said)
    return lambda **values: render(chart=chart, **values)["Said/notes"]["text"]


def test_the_notes_say_what_to_do_next(notes: Any) -> None:
    text = notes()

    assert "helm test rel -n home" in text
    assert "podMonitor.samplers.enabled" in text
    assert "prometheusRule.enabled" in text
    assert "The CRDs and every SamplerRollout stay" in text
    assert "kubectl delete crd -l app.kubernetes.io/name=sampler-rollouts" in text
    assert "EVERY SamplerRollout" in notes(crds={"keep": False})


def test_the_notes_do_not_ask_for_what_is_there(notes: Any) -> None:
    text = notes(**MONITORING, watchNamespaces=["a", "b"])

    assert "looks after a, b" in text
    assert "for default the chart's PodMonitor does that" in text
    assert "prometheusRule" not in text


REFERENCE: Obj = {"name": "one", "key": "two"}


def receiver(fields: Obj) -> Obj:
    """Values with one receiver of notifications."""
    return {"notifications": {"receivers": {"ops": fields}}}


BOTH_TOKENS: Obj = {"bearerTokenSecret": REFERENCE, "bearerTokenFile": "/token"}


@pytest.mark.parametrize(("given", "seconds"), [("1s", 1.0), ("0m7s", 7.0), (0.1, 0.1), (7.5, 7.5)])
def test_the_timeouts_that_the_chart_takes_are_those_of_the_process(render: Any, given: Any, seconds: float) -> None:
    objects = render(metricsSources={"default": {"url": "http://host", "timeout": given}})
    config = objects["ConfigMap/rel-sampler-rollouts"]["data"]["config.yaml"]

    assert parse_sources(config).metrics_sources["default"].timeout == seconds


PREFERRED, REQUIRED = (f"{what}DuringSchedulingIgnoredDuringExecution" for what in ("preferred", "required"))
LABELS = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
SPREAD = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
NEAR = {"topologyKey": "kubernetes.io/hostname", "labelSelector": LABELS, "namespaces": ["a"]}
PODS = {REQUIRED: [NEAR], PREFERRED: [{"weight": 1, "podAffinityTerm": NEAR}]}
NODES = {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}
PEERS = [
    {"podSelector": LABELS, "namespaceSelector": {}},
    {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
]
PLACED = {
    "tolerations": [
        {"operator": "Exists"},
        {"key": "a", "operator": "Equal", "value": "b", "effect": "NoExecute", "tolerationSeconds": 60},
    ],
    "affinity": {
        "nodeAffinity": {
            REQUIRED: {"nodeSelectorTerms": [NODES]},
            PREFERRED: [{"weight": 1, "preference": NODES}],
        },
        "podAffinity": PODS,
        "podAntiAffinity": PODS,
    },
    "topologySpreadConstraints": [SPREAD | {"labelSelector": LABELS, "minDomains": 1, "nodeTaintsPolicy": "Honor"}],
    "resources": {"requests": {"cpu": 0.5, "memory": "1e9"}, "limits": {"cpu": "500m", "memory": "1.5Gi"}},
    "extraVolumes": [
        {"name": "a", "secret": {"secretName": "a", "items": [{"key": "a", "path": "b", "mode": 288}]}},
        {"name": "b", "configMap": {"name": "b", "optional": True}},
        {"name": "c", "persistentVolumeClaim": {"claimName": "c"}},
        {"name": "d", "emptyDir": {}},
        {"name": "e", "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "metrics"}}]}},
    ],
    "extraVolumeMounts": [{"name": "a", "mountPath": "/a", "readOnly": True, "subPath": "b"}],
}  # fmt: skip


def test_what_a_pod_may_have_is_taken_and_rendered(render: Any) -> None:
    policy = {"enabled": True, "scrapedFrom": PEERS, "metricsSources": {"to": PEERS}, "apiServer": {"to": PEERS}}
    objects = render(networkPolicy=policy, **PLACED)
    pod = objects["Deployment/rel-sampler-rollouts"]["spec"]["template"]["spec"]

    for name in ("tolerations", "affinity", "topologySpreadConstraints"):
        assert pod[name] == PLACED[name]
    assert pod["containers"][0]["resources"] == PLACED["resources"]
    assert [one for one in pod["volumes"] if one in PLACED["extraVolumes"]] == PLACED["extraVolumes"]


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
        ({"podMonitor": {"operator": {"interval": "0s"}}}, "interval"),
        ({"podLabels": {"app.kubernetes.io/name": "x"}}, "podLabels: app.kubernetes.io/name is the chart's own"),
        ({"podAnnotations": {"checksum/config": "x"}}, "podAnnotations: checksum/config is the chart's own"),
        ({"dashboards": {"enabled": True, "labels": {"helm.sh/chart": "x"}}}, "dashboards.labels: helm.sh/chart is"),
        ({"nameOverride": "Foo_Bar"}, "nameOverride"),
        ({"fullnameOverride": "Foo_Bar"}, "fullnameOverride"),
        ({"serviceAccount": {"name": "Foo_Bar"}}, "serviceAccount/name"),
        ({"networkPolicy": {"metricsSources": {"ports": [0]}}}, "networkPolicy/metricsSources/ports"),
        ({"networkPolicy": {"notifications": {"ports": ["http"]}}}, "networkPolicy/notifications/ports"),
        ({"prometheusRule": {"runbookUrl": "docs/runbooks"}}, "runbookUrl"),
        ({"networkPolicy": {"apiServer": {"ports": []}}}, "ports"),
        ({"authors": {"registries": ["a"]}}, "registries"),
        ({"suspects": {"everywhere": True}}, "everywhere"),
        ({"suspects": {"acrossNamespaces": True}}, "acrossNamespaces"),
        ({"suspects": {"acrossNamespaces": ["*-prod"]}}, "acrossNamespaces"),
        ({"metricsSources": {"default": {"bearerTokenSecret": {"name": "t"}}}}, "key"),
        (receiver({}), "ops: give url, or urlSecret"),
        (receiver({"url": "https://h", "urlSecret": REFERENCE}), "ops: give url or urlSecret, not both"),
        (receiver({"url": "https://h"}), "ops: signingKeySecret belongs to format CloudEvents, and CloudEvents needs"),
        (receiver({"format": "PagerDuty"}), "ops: routingKeySecret belongs to format PagerDuty, and PagerDuty needs"),
        (receiver({"format": "Slack", "url": "http://h", "bearerTokenSecret": REFERENCE}), "url must be https"),
        (receiver({"format": "Teams", "url": "https://h"}), "format"),
        (receiver({"url": "https://u:p@h", "signingKeySecret": REFERENCE}), "url"),
        (receiver({"url": "https://h?token=x", "signingKeySecret": REFERENCE}), "url"),
        (receiver({"url": "https://h", "signingKeySecret": REFERENCE, "types": ["Paused"]}), "types"),
        (receiver({"url": "https://h", "signingKeySecret": REFERENCE, "signingKeyFile": "/k"}), "not both"),
        (receiver({"url": "https://h", "signingKeySecret": REFERENCE, "deadline": "30d"}), "deadline"),
        ({"metricsSources": {"default": BOTH_TOKENS}}, "default: give bearerTokenSecret or bearerTokenFile, not both"),
        ({"metricsSources": {"default": {"caSecret": REFERENCE, "caConfigMap": REFERENCE}}}, "give one of caSecret"),
        ({"tolerations": [{"keyy": "a"}]}, "/tolerations/0.*'keyy' not allowed"),
        ({"tolerations": [{"key": "a", "effect": "NoShedule"}]}, "/tolerations/0/effect.*NoExecute"),
        ({"affinity": {"nodeAfinity": {}}}, "/affinity.*'nodeAfinity' not allowed"),
        ({"affinity": {"nodeAffinity": {PREFERRED: [{"weight": 1, "preferences": {}}]}}}, "'preferences' not allowed"),
        ({"affinity": {"podAntiAffinity": {PREFERRED: [{"weight": 1, "podAffinityTerm": {}}]}}}, "'topologyKey'"),
        ({"affinity": {"podAffinity": {REQUIRED: [{"topologyKey": "a", "labels": {}}]}}}, "'labels' not allowed"),
        ({"topologySpreadConstraints": [{"topologyKey": "a"}]}, "missing properties? 'maxSkew'"),
        ({"topologySpreadConstraints": [SPREAD | {"labelSelector": {"matchlabels": {}}}]}, "'matchlabels' not allowed"),
        ({"resources": {"limit": {"memory": "1Gi"}}}, "/resources.*'limit' not allowed"),
        ({"resources": {"limits": {"memory": "1 GB"}}}, "/resources/limits/memory"),
        ({"networkPolicy": {"scrapedFrom": [{"namespaces": {}}]}}, "/scrapedFrom/0.*'namespaces' not allowed"),
        ({"networkPolicy": {"apiServer": {"to": [{"ipBlock": {"cdir": "10.0.0.0/8"}}]}}}, "'cdir' not allowed"),
        ({"extraVolumes": [{"name": "token", "secret": {"name": "token"}}]}, "'secretName'"),
        ({"extraVolumes": [{"name": "host", "hostPath": {"path": "/"}}]}, "'hostPath' not allowed"),
        ({"extraVolumeMounts": [{"name": "token", "mountpath": "/token"}]}, "'mountpath' not allowed"),
    ],
)
def test_wrong_values_are_refused(render: Any, values: Obj, message: str) -> None:
    render(fails=message, **values)


@pytest.mark.parametrize("values", [["--set", f"image.digest={DIGEST}"], []], ids=["values", "no values"])
def test_helm_finds_nothing_to_complain_about(helm: Path, tmp_path: Path, values: list[str]) -> None:
    """Also without values, as it is asked by those who know none: it then takes what is required for empty."""
    environ = {f"HELM_{what}_HOME": str(tmp_path) for what in ("CACHE", "CONFIG", "DATA")}
    line = [helm, "lint", "--strict", CHART, *values]
    done = subprocess.run(line, env=environ, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stdout
