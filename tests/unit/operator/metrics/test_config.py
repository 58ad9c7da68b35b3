"""The admin's configuration of metrics sources: what is wrong is named with its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from sampler_rollouts.domain.together import ALONE
from sampler_rollouts.metrics.config import LONGEST_TIMEOUT, ConfigError, load_sources, parse_sources
from sampler_rollouts.reconcile.sampling import TIME_LIMIT

GOOD = """
metricsSources:
  default:
    url: http://prometheus.monitoring:9090/
    timeout: 4s
    scrapeInterval: 2s
    bearerTokenFile: /var/run/secrets/token
    caFile: /etc/ca.pem
"""


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(GOOD)
    source = load_sources(path).metrics_sources["default"]
    assert (source.url, source.timeout, source.scrape_interval) == ("http://prometheus.monitoring:9090", 4.0, 2.0)
    assert (source.bearer_token_file, source.ca_file) == (Path("/var/run/secrets/token"), Path("/etc/ca.pem"))


def test_defaults_fit_the_reconcile() -> None:
    source = parse_sources("metricsSources: {default: {url: 'https://p'}}").metrics_sources["default"]
    assert (source.timeout, source.scrape_interval) == (5.0, 15.0)


def test_the_longest_timeout_leaves_a_look_time_for_the_answer() -> None:
    """A source that is asked for longer than a look lasts holds a thread that nobody waits for."""
    parse_sources(f"metricsSources: {{default: {{url: 'http://p', timeout: {LONGEST_TIMEOUT}}}}}")
    assert LONGEST_TIMEOUT < TIME_LIMIT


def across(namespaces: str) -> str:
    """A configuration by which suspicion crosses namespaces."""
    return f"metricsSources: {{a: {{url: 'http://p'}}}}\nsuspects: {{acrossNamespaces: {namespaces}}}"


def test_suspicion_crosses_namespaces_only_where_it_is_said() -> None:
    assert parse_sources("metricsSources: {a: {url: 'http://p'}}").suspects == ALONE
    found = parse_sources(across("[serving, 'team-*']")).suspects
    assert found.across_namespaces == ("serving", "team-*")


def told(receiver: str) -> str:
    """A configuration with one receiver of notifications."""
    return f"metricsSources: {{a: {{url: 'http://p'}}}}\nnotifications: {{receivers: {{ops: {receiver}}}}}"


@pytest.mark.parametrize(
    ("text", "field", "remedy"),
    [
        ("metricsSources: {a: {}}", "metricsSources.a.url", "add it"),
        ("{}", "metricsSources", "add it"),
        (
            "metricsSources: {a: {url: 'http://p'}}\nsuspects: {everywhere: true}",
            "suspects.everywhere",
            "acrossNamespaces",
        ),
        (across("true"), "suspects.acrossNamespaces", "must be a list of namespaces, such as [serving, team-a-*]"),
        (across("serving"), "suspects.acrossNamespaces", "must be a list of namespaces"),
        (across("['*-prod']"), "suspects.acrossNamespaces.0", "such as team-a-*"),
        (across("['']"), "suspects.acrossNamespaces.0", "a namespace's name"),
        (across("[a/b]"), "suspects.acrossNamespaces.0", "a namespace's name"),
        ("metricsSources: {}", "metricsSources", "at least 1"),
        ("metricsSources: {a: {url: 'ftp://p'}}", "metricsSources.a.url", "such as http://"),
        ("metricsSources: {a: {url: 'http://'}}", "metricsSources.a.url", "such as http://"),
        ("metricsSources: {a: {url: 'http://p:99999'}}", "metricsSources.a.url", "such as http://"),
        ("metricsSources: {a: {url: 'http://u:hunter2@p'}}", "metricsSources.a.url", "bearerTokenFile"),
        ("metricsSources: {a: {url: 'http://p/?x=hunter2'}}", "metricsSources.a.url", "before /api/v1"),
        ("metricsSources: {a: {url: 'http://p', timeout: soon}}", "metricsSources.a.timeout", "5m"),
        ("metricsSources: {a: {url: 'http://p', timeout: 0}}", "metricsSources.a.timeout", "greater"),
        ("metricsSources: {a: {url: 'http://p', timeout: 8s}}", "metricsSources.a.timeout", "equal to 7.5"),
        ("metricsSources: {a: {url: 'http://p', timeout: true}}", "metricsSources.a.timeout", "such as 15s"),
        ("metricsSources: {a: {url: 'http://p', caFile: ca.pem}}", "metricsSources.a.caFile", "absolute"),
        ("metricsSources: {a: {url: 'http://p', token: hunter2}}", "metricsSources.a.token", "bearerTokenFile"),
        (
            "metricsSources: {a: {url: 'http://p', gatewayRequests: {}}}",
            "metricsSources.a.gatewayRequests.metric",
            "add it",
        ),
        (
            "metricsSources: {a: {url: 'http://p', gatewayRequests: {metric: 'rate(x[1m])'}}}",
            "metricsSources.a.gatewayRequests.metric",
            "pattern",
        ),
        (
            "metricsSources: {a: {url: 'http://p', gatewayRequests: {metric: x, label: y}}}",
            "metricsSources.a.gatewayRequests.label",
            "metric, addressLabel",
        ),
        ("metricsSources: {a: {url: 'http://p'}}\nextra: 1", "extra", "remove it or correct its name (metricsSources"),
        ("metricsSources: {a: {url: 'http://p'}}\nauthors: {image: [a]}", "authors.image", "images, imageTags"),
        ("metricsSources: {a: {url: 'http://p'}}\nauthors: {images: a}", "authors.images", "valid tuple"),
        ("metricsSources: {a: {url: 'http://p'}}\nauthors: {images: ['']}", "authors.images.0", "at least 1"),
        (told("{url: 'https://h'}"), "receivers.ops", "signingKeyFile"),
        (told("{format: PagerDuty}"), "receivers.ops", "routingKeyFile"),
        (told("{format: Slack}"), "receivers.ops", "urlFile if it is a secret"),
        (told("{format: Slack, url: 'https://h', urlFile: /a}"), "receivers.ops", "not both"),
        (told("{format: Slack, url: 'http://h', bearerTokenFile: /a}"), "receivers.ops", "must be https"),
        (told("{format: Slack, url: 'https://h?key=hunter2'}"), "receivers.ops.url", "urlFile"),
        (told("{format: Slack, url: 'https://u:hunter2@h'}"), "receivers.ops.url", "bearerTokenFile"),
        (told("{format: Slack, url: 'https://h', deadline: 5s}"), "receivers.ops.deadline", "equal to 60"),
        (told("{format: Slack, url: 'https://h', types: [Paused]}"), "receivers.ops.types.0", "'RolledBack'"),
        (told("{format: Slack, url: 'https://h', token: hunter2}"), "receivers.ops.token", "bearerTokenFile"),
        (told("{format: Slack, url: 'https://h'}, b: {}, c: {}"), "receivers.b", "url"),
        ("[]", "mapping", "metricsSources"),
        ("a: [", "line", "syntax"),
    ],
)
def test_errors_name_field_and_remedy(text: str, field: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_sources(text, "sources.yaml")
    message = str(caught.value)
    assert message.startswith("sources.yaml")
    assert field in message
    assert remedy in message
    assert "hunter2" not in message


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mount"):
        load_sources(tmp_path / "none.yaml")
