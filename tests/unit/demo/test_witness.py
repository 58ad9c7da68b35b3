"""A build that was taken back too soon to be heard by users is asked apart from them."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from local.demo import witness
from local.demo.answers import Answer
from local.demo.ask import Ask
from local.demo.load import LoadGenerator
from local.errors import LocalError

DEPLOYMENT: dict[str, Any] = {
    "spec": {
        "template": {
            "metadata": {"labels": {"samplerrollouts.io/revision": "a" * 10}},
            "spec": {
                "containers": [
                    {"name": "sampler", "image": "good", "env": [{"name": "SAMPLER_MODEL", "value": "synthetic"}]}
                ],
                "restartPolicy": "Always",
            },
        }
    }
}
READY = {"status": {"podIP": "10.0.0.9", "conditions": [{"type": "Ready", "status": "True"}]}}


class Cluster:
    """Takes notes."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def kubectl(self, *line: str, stdin: str = "") -> str:
        self.told.append(f"{line[0]} {json.loads(stdin)['metadata']['name'] if stdin else line[2]}")
        return ""


class Api:
    """One Deployment, and the pods that it is given."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self._pods = list(pods)

    def pod_url(self, pod: dict[str, Any], port: int) -> str:
        return f"http://{pod['status']['podIP']}:{port}"

    def get(self, path: str) -> dict[str, Any]:
        assert path == "/apis/apps/v1/namespaces/demo/deployments/chat-wide-bbbb"
        return DEPLOYMENT

    def pods(self, namespace: str, selector: str) -> list[dict[str, Any]]:
        assert (namespace, selector) == ("demo", "app.kubernetes.io/name=witness")
        return self._pods


def heard(cluster: Cluster, api: Api, asks: list[Ask]) -> list[Answer]:
    return witness.heard(cluster, api, "wide", "bbbb", "bad", asks)  # type: ignore[arg-type]


def test_it_is_a_server_like_those_that_serve_and_nothing_finds_it() -> None:
    pod = witness.manifest(DEPLOYMENT, "bad")
    assert pod["spec"]["containers"] == [{**DEPLOYMENT["spec"]["template"]["spec"]["containers"][0], "image": "bad"}]
    assert not any("samplerrollouts" in label for label in pod["metadata"]["labels"])
    assert DEPLOYMENT["spec"]["template"]["spec"]["containers"][0]["image"] == "good"


def test_it_is_asked_every_question_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    def said(_: LoadGenerator, ask: Ask) -> Answer:
        return Answer(ask=ask, text=ask.prompt.upper(), fingerprint="f", at=1.0)

    monkeypatch.setattr(LoadGenerator, "ask_once", said)
    cluster, asks = Cluster(), witness.questions(4)
    assert [one.text for one in heard(cluster, Api(READY), asks)] == [ask.prompt.upper() for ask in asks]
    assert cluster.told == ["apply witness", "delete witness"]
    assert all(ask.top_k == 40 for ask in asks)


def test_it_goes_also_when_it_does_not_start_or_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness, "READY", 0)
    cluster = Cluster()
    with pytest.raises(LocalError, match="pod of bad was not ready"):
        heard(cluster, Api(), witness.questions(4))
    assert cluster.told == ["apply witness", "delete witness"]

    def refused(_: LoadGenerator, ask: Ask) -> Answer:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(LoadGenerator, "ask_once", refused)
    with pytest.raises(httpx.ConnectError):
        heard(cluster, Api(READY), witness.questions(4))
    assert cluster.told[-1] == "delete witness"
