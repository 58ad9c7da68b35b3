"""Penalties, bias, allowed ids and log-probabilities through the HTTP API."""

import math
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from samplerd.program import Executables

from tests.unit.samplerd.servers import Server, serving
from tests.unit.samplerd.test_api import events

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(executables: Executables) -> AsyncIterator[Server]:
    async with serving(executables) as running:
        yield running


async def complete(server: Server, **parameters: Any) -> Any:
    answer = await server.complete(**{"max_tokens": 8, "temperature": 0, **parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]


async def test_allowed_ids_and_bias_decide(server: Server) -> None:
    words = server.engine.model.tokenizer.encode(" the river")
    allowed = await complete(server, allowed_token_ids=words)
    assert set(allowed["text"].split()) <= {"the", "river"}
    assert (await complete(server, logit_bias={str(words[0]): 100}))["text"] == " the" * 8
    assert " the" not in (await complete(server, logit_bias={str(words[0]): -100}))["text"]


async def test_penalties_make_answers_repeat_less(server: Server) -> None:
    plain = (await complete(server, max_tokens=40))["text"].split()
    for penalty in ({"frequency_penalty": 2}, {"presence_penalty": 2}, {"repetition_penalty": 3}):
        penalised = (await complete(server, max_tokens=40, **penalty))["text"].split()
        assert len(set(penalised)) / len(penalised) > len(set(plain)) / len(plain), penalty


async def test_logprobs_of_completions_streamed_or_not(server: Server) -> None:
    choice = await complete(server, logprobs=3, temperature=1, seed=5)
    logprobs = choice["logprobs"]
    assert "".join(logprobs["tokens"]) == choice["text"]
    assert len(logprobs["token_logprobs"]) == len(logprobs["tokens"]) <= 8
    assert logprobs["text_offset"] == [
        len("".join(logprobs["tokens"][:place])) for place in range(len(logprobs["tokens"]))
    ]
    for token, value, top in zip(logprobs["tokens"], logprobs["token_logprobs"], logprobs["top_logprobs"], strict=True):
        assert value <= 0
        assert top[token] == value
        assert 3 <= len(top) <= 4
    streamed = await server.complete(max_tokens=8, logprobs=3, temperature=1, seed=5, stream=True)
    pieces = [piece["choices"][0]["logprobs"] for piece in events(streamed.text)]
    assert [token for piece in pieces if piece for token in piece["tokens"]] == logprobs["tokens"]
    assert [at for piece in pieces if piece for at in piece["text_offset"]] == logprobs["text_offset"]


async def test_logprobs_are_the_models_own_whatever_is_asked_of_the_sampler(server: Server) -> None:
    plain = await complete(server, logprobs=20, max_tokens=1)
    edited = await complete(server, logprobs=20, max_tokens=1, logit_bias={"300": 50}, repetition_penalty=2)
    assert edited["text"] != plain["text"]
    best = plain["logprobs"]["top_logprobs"][0]
    assert {name: value for name, value in edited["logprobs"]["top_logprobs"][0].items() if name in best} == best
    assert 0.3 < sum(map(math.exp, best.values())) <= 1.0001


async def test_logprobs_of_chats(server: Server) -> None:
    body = {"messages": [{"role": "user", "content": "the river"}], "max_tokens": 3, "temperature": 0}
    client = server.client
    asked = {**body, "logprobs": True, "top_logprobs": 2}
    choice = (await client.post("/v1/chat/completions", json=asked)).json()["choices"][0]
    content = choice["logprobs"]["content"]
    assert "".join(one["token"] for one in content) == choice["message"]["content"]
    for one in content:
        assert one["top_logprobs"][0]["token"] == one["token"], "greedy"
        assert one["top_logprobs"][0]["logprob"] == one["logprob"]
        assert bytes(one["bytes"]).decode() == one["token"]
        assert len(one["top_logprobs"]) == 2
    plain = (await client.post("/v1/chat/completions", json=body)).json()["choices"][0]
    assert plain["logprobs"] is None


async def test_edited_tokens_pass_the_audit(server: Server) -> None:
    for seed in range(6):
        await complete(server, temperature=0.9, seed=seed, frequency_penalty=0.7, repetition_penalty=1.2, min_p=0.02)
    found = await server.scrape()
    assert not sum(value for (name, _), value in found.items() if name == "sampler_audit_mismatch_total")
