"""One request to every pool by itself, on servers that are no samplers."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from local.demo import agreement
from tests.unit.demo.conftest import Behaviour, TinyServer

METRICS = """# HELP sampler_build_info What runs here.
sampler_build_info{build_revision="a",model="m",vocab_shards="4",version="1"} 1.0
"""


def told(*tokens: bytes) -> dict[str, Any]:
    content = [{"token": "?", "bytes": list(token)} for token in tokens]
    message = {"content": "", "role": "assistant"}
    return {"choices": [{"message": message, "logprobs": {"content": content}}], "system_fingerprint": "r-none"}


def test_tokens_are_read_byte_by_byte():
    tokens, fingerprint = agreement.read(told(b" bees", b"\xe0\xb8", b""))
    assert (tokens, fingerprint) == ([" bees", "\\xe0\\xb8", ""], "r-none")


@pytest.mark.parametrize(
    "body", [{}, {"choices": []}, {"choices": [{"logprobs": None}]}, {"choices": [{"logprobs": {}}]}]
)
def test_an_answer_without_tokens_is_refused(body):
    with pytest.raises(agreement.OddAnswerError, match="no tokens in the answer"):
        agreement.read(body)


def test_a_server_says_how_its_vocabulary_is_split():
    assert agreement.shards_in(METRICS) == 4
    with pytest.raises(agreement.OddAnswerError, match="sampler_build_info"):
        agreement.shards_in(METRICS.replace("vocab_shards", "shards"))


@pytest.mark.parametrize("second", [b" honey", b" wax"])
def test_every_pool_is_asked_the_same_at_its_own_service(
    serve: Callable[[Behaviour], TinyServer], monkeypatch: pytest.MonkeyPatch, second: bytes
):
    pools = {
        "narrow": serve(lambda *_: (200, {}, told(b"A", b" honey"))),
        "wide": serve(lambda *_: (200, {}, told(b"A", second))),
    }
    addresses = {f"chat-{name}-r{name}": server.url for name, server in pools.items()}
    pods = [{"status": {}}, {"status": {"podIP": "10.0.0.9"}}]
    api = SimpleNamespace(
        service_url=lambda _, service: addresses[service],
        pods=lambda *_: pods,
        pod_url=lambda *_: "http://10.0.0.9:9090",
    )
    monkeypatch.setattr(
        agreement.httpx, "get", lambda url, **_: httpx.Response(200, text=METRICS, request=httpx.Request("GET", url))
    )
    found = agreement.ask_pools(api, {"wide": "rwide", "narrow": "rnarrow"}, "m")
    assert [(answer.pool, answer.devices) for answer in found.answers] == [("narrow", 4), ("wide", 4)]
    assert found.same == (second == b" honey")
    asked = [server.seen for server in pools.values()]
    assert asked[0] == asked[1]
    assert (asked[0][0]["seed"], asked[0][0]["temperature"], asked[0][0]["logprobs"]) == (2025, 0.7, True)


def test_where_no_pool_serves_there_is_no_agreement() -> None:
    with pytest.raises(agreement.OddAnswerError, match="no pool serves"):
        agreement.ask_pools(None, {}, "synthetic")  # type: ignore[arg-type]
