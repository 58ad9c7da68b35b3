"""``--check``: what is there is said, and what is missing with its remedy. Nothing is written."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import pytest
from sampler_rollouts import __main__ as process
from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.domain.receivers import Receiver
from sampler_rollouts.handlers import app
from sampler_rollouts.handlers.check import Finding, findings, reachable
from sampler_rollouts.metrics.config import MetricsSources, parse_sources
from sampler_rollouts.metrics.prometheus import Sources
from sampler_rollouts.notify.sender import Sender

from tests.support.kube.api import MemoryApi
from tests.unit.operator.metrics.misbehaving import Handler, serving

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NO_SOURCES = Sources(MetricsSources.model_construct(metrics_sources={}))


def said(api: MemoryApi, sources: Sources = NO_SOURCES, *namespaces: str) -> list[str]:
    return [str(one) for one in findings(KubernetesCluster(api), sources, namespaces, NOW)]


@pytest.fixture
def api() -> MemoryApi:
    return MemoryApi(lambda: NOW)


def test_all_is_there(api: MemoryApi) -> None:
    assert said(api) == [
        "ok      the API server serves SamplerRollouts",
        "ok      SamplerRollouts of all namespaces can be listed, and are 0",
    ]
    assert api.writes == []


def test_missing_rights_are_named_by_namespace(api: MemoryApi) -> None:
    api.denied = {("GET", "samplerrollouts")}
    *_, first, second = said(api, NO_SOURCES, "a", "b")
    assert first.startswith("failed  SamplerRollouts of namespace a can be listed: ")
    assert second.endswith("give the operator its rights (rbac.create)")
    *_, every = said(api)
    assert every.endswith("or name the namespaces that it looks after (--namespace, SAMPLER_ROLLOUTS_NAMESPACES)")


def test_a_missing_definition_is_named(api: MemoryApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KubernetesCluster, "served", lambda self: False)
    assert said(api)[0].startswith("failed  the API server serves SamplerRollouts: the CRD is missing")


def sources(url: str) -> Sources:
    return Sources(parse_sources(f"metricsSources: {{default: {{url: '{url}', timeout: 5s}}}}"))


def test_a_source_that_answers(api: MemoryApi) -> None:
    def answer(handler: Handler) -> None:
        handler.answer_json({"status": "success", "data": {"resultType": "matrix", "result": []}})

    with serving(answer) as server:
        assert said(api, sources(server.url))[-1] == "ok      metrics source default answers"
        assert len(server.asked) == 1


def test_a_source_that_refuses(api: MemoryApi) -> None:
    with serving(lambda handler: handler.answer(b"who are you", 401)) as server:
        last = said(api, sources(server.url))[-1]
    assert last.startswith("failed  metrics source default answers: ")
    assert "who are you" not in last


def test_a_receiver_of_notifications_without_its_secret() -> None:
    pager = Receiver.model_validate({"format": "PagerDuty", "routingKeyFile": "/none"})
    (one,) = reachable(Sender({"pager": pager}))
    assert str(one).startswith(
        "failed  receiver pager can be reached: its configuration cannot be used: routingKeyFile"
    )


@pytest.mark.parametrize(("problem", "status"), [("", 0), ("gone", 1)])
def test_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], problem: str, status: int
) -> None:
    monkeypatch.setattr(sys, "argv", ["sampler_rollouts", "--check"])
    monkeypatch.setattr(app, "check", lambda options: [Finding("it", problem)])
    assert process.main() == status
    assert capsys.readouterr().out.startswith("failed  it: gone" if problem else "ok      it")
