"""The HTTP API over real sockets: OpenAI's forms, streams, refusals."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from samplerd.program import Executables

from tests.unit.samplerd.servers import Server, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")  # starting and draining a server takes half a second


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(executables: Executables) -> AsyncIterator[Server]:
    async with serving(executables) as running:
        yield running


def events(body: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in body.splitlines() if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


async def test_a_completion_in_openais_form(server: Server) -> None:
    answer = (await server.complete(max_tokens=5, seed=7)).json()
    assert answer["object"] == "text_completion"
    assert answer["system_fingerprint"] == "r1-none"
    assert answer["model"] == "synthetic"
    [choice] = answer["choices"]
    assert choice["finish_reason"] == "length"
    assert choice["text"]
    assert answer["usage"] == {"prompt_tokens": 4, "completion_tokens": 5, "total_tokens": 9}


async def test_the_same_seed_gives_the_same_text_streamed_or_not(server: Server) -> None:
    whole = (await server.complete(max_tokens=20, seed=3)).json()["choices"][0]["text"]
    streamed = await server.complete(max_tokens=20, seed=3, stream=True, stream_options={"include_usage": True})
    assert streamed.headers["content-type"].startswith("text/event-stream")
    *pieces, usage = events(streamed.text)
    assert "".join(piece["choices"][0]["text"] for piece in pieces) == whole
    assert [piece["choices"][0]["finish_reason"] for piece in pieces] == [None] * (len(pieces) - 1) + ["length"]
    assert {piece["system_fingerprint"] for piece in pieces} == {"r1-none"}
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == 20


async def test_without_a_seed_answers_differ(server: Server) -> None:
    answers = await asyncio.gather(*(server.complete(max_tokens=12) for _ in range(6)))
    assert len({answer.json()["choices"][0]["text"] for answer in answers}) > 1


async def test_requests_side_by_side_give_what_each_gives_alone(server: Server) -> None:
    alone = [(await server.complete(f"story {n}", max_tokens=15, seed=n)).json()["choices"] for n in range(5)]
    together = await asyncio.gather(*(server.complete(f"story {n}", max_tokens=15, seed=n) for n in range(5)))
    assert [answer.json()["choices"] for answer in together] == alone


async def test_temperature_zero_ignores_the_seed(server: Server) -> None:
    texts = {
        (await server.complete(max_tokens=10, temperature=0, seed=seed)).json()["choices"][0]["text"]
        for seed in (1, 2, 3)
    }
    assert len(texts) == 1


async def test_a_stop_string_ends_the_answer_and_is_not_shown(server: Server) -> None:
    whole = (await server.complete(max_tokens=40, seed=5)).json()["choices"][0]["text"]
    stop = whole[10:16]
    for stream in (False, True):
        answer = await server.complete(max_tokens=40, seed=5, stop=[stop, "never said"], stream=stream)
        if stream:
            pieces = events(answer.text)
            text, reason = "".join(p["choices"][0]["text"] for p in pieces), pieces[-1]["choices"][0]["finish_reason"]
        else:
            [choice] = answer.json()["choices"]
            text, reason = choice["text"], choice["finish_reason"]
        assert text == whole[: whole.index(stop)]
        assert reason == "stop"


async def test_chat(server: Server) -> None:
    turns = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "the river"}]
    body = {"messages": turns, "max_tokens": 6, "seed": 2}
    whole = (await server.client.post("/v1/chat/completions", json=body)).json()
    assert whole["object"] == "chat.completion"
    assert whole["choices"][0]["message"]["role"] == "assistant"
    streamed = await server.client.post("/v1/chat/completions", json={**body, "stream": True})
    deltas = [piece["choices"][0]["delta"] for piece in events(streamed.text)]
    assert deltas[0]["role"] == "assistant"
    assert "".join(delta.get("content", "") for delta in deltas) == whole["choices"][0]["message"]["content"]


async def test_models_and_probes(server: Server) -> None:
    models = (await server.client.get("/v1/models")).json()
    assert [model["id"] for model in models["data"]] == ["synthetic"]
    assert (await server.client.get("/healthz")).status_code == 200


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"temperature": 2.5}, "temperature"),
    ({"temperature": -0.1}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"temperature": True}, "temperature"),
    ({"top_p": 1.1}, "top_p"),
    ({"top_k": -2}, "top_k"),
    ({"top_p": False}, "top_p"),
    ({"top_k": 1.5}, "top_k"),
    ({"top_k": True}, "top_k"),
    ({"top_k": 10**30}, "top_k"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": True}, "max_tokens"),
    ({"max_tokens": 100_000}, "max_tokens"),
    ({"max_tokens": 10**4000}, "max_tokens"),
    ({"seed": 2**64}, "seed"),
    ({"seed": -(2**63) - 1}, "seed"),
    ({"seed": True}, "seed"),
    ({"seed": 1.5}, "seed"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    ({"stop": ""}, "stop"),
    ({"stop": "x" * 257}, "stop"),
    ({"stop": [None]}, "stop[0]"),
    ({"prompt": ""}, "prompt"),
    ({"prompt": ["a", "b"]}, "prompt"),
    ({"prompt": [1, 2, 3]}, "prompt"),
    ({"prompt": "river " * 500}, "prompt"),
    ({"prompt": "x" * 200_000}, "prompt"),
    ({"n": 0}, "n"),
    ({"n": 9}, "n"),  # four slots, four places to wait
    ({"n": 129}, "n"),
    ({"n": True}, "n"),
    ({"n": 2, "best_of": 3}, "best_of"),
    ({"n": 2, "best_of": 1}, "best_of"),
    ({"best_of": 1.0}, "best_of"),
    ({"echo": 0}, "echo"),
    ({"logprobs": 21}, "logprobs"),
    ({"logprobs": True}, "logprobs"),
    ({"top_logprobs": 3}, "top_logprobs"),  # of chats only
    ({"min_p": 1.5}, "min_p"),
    ({"repetition_penalty": 0}, "repetition_penalty"),
    ({"presence_penalty": 2.5}, "presence_penalty"),
    ({"frequency_penalty": -2.5}, "frequency_penalty"),
    ({"logit_bias": {"5": 101}}, "logit_bias"),
    ({"logit_bias": {"99999": 1}}, "logit_bias"),
    ({"logit_bias": {"05": 1}}, "logit_bias"),
    ({"logit_bias": {"-5": 1}}, "logit_bias"),
    ({"logit_bias": {str(token): 1 for token in range(301)}}, "logit_bias"),
    ({"allowed_token_ids": []}, "allowed_token_ids"),
    ({"allowed_token_ids": [99999]}, "allowed_token_ids"),
    ({"logit_bias": {"5": "x"}}, "logit_bias"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),  # without stream
    ({"stream": True, "stream_options": {"chatty": True}}, "stream_options.chatty"),
    ({"minimum_p": 0.1}, "minimum_p"),
]


@pytest.mark.parametrize(("wrong", "param"), REFUSED, ids=lambda value: str(value)[:40])
async def test_what_is_out_of_range_is_refused_by_name(server: Server, wrong: dict[str, Any], param: str) -> None:
    response = await server.client.post("/v1/completions", json={"prompt": "the river", **wrong})
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == param
    assert param in error["message"]
    assert len(error["message"]) < 200
    assert error["type"] == "invalid_request_error"


CHAT_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
    (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url"}]}]},
        "messages[0].content[1].type",
    ),
    ({"messages": [{"role": "user", "content": "x", "name": "y"}]}, "messages[0].name"),
    ({"messages": [{"role": "user", "content": "river " * 500}]}, "messages"),
    ({"max_completion_tokens": 0}, "max_completion_tokens"),
    ({"max_completion_tokens": 100_000}, "max_completion_tokens"),
    ({"max_tokens": 5, "max_completion_tokens": 7}, "max_completion_tokens"),
    ({"logprobs": 3}, "logprobs"),
    ({"top_logprobs": 3}, "top_logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
]


@pytest.mark.parametrize(("wrong", "param"), CHAT_REFUSED, ids=lambda value: str(value)[:60])
async def test_the_wrong_part_of_a_chat_is_named(server: Server, wrong: dict[str, Any], param: str) -> None:
    body = {"messages": [{"role": "user", "content": "x"}], **wrong}
    response = await server.client.post("/v1/chat/completions", json=body)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == param
    assert param in error["message"]


async def test_parts_of_a_text_are_lines_of_it(server: Server) -> None:
    parts = [{"type": "text", "text": "the river"}, {"type": "text", "text": "ran on"}]
    answers = [
        await server.client.post(
            "/v1/chat/completions",
            json={"messages": [{"role": "user", "content": content}], "seed": 5, "max_tokens": 5},
        )
        for content in (parts, "the river\nran on", parts[:1], "the river")
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    two, both, one, same = [(answer.json()["choices"], answer.json()["usage"]) for answer in answers]
    assert two == both
    assert one == same
    assert two != one


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (rb'{"prompt": "\ud800"}', "prompt"),
        (rb'{"prompt": ["river \udc00 sea"]}', "prompt[0]"),
        (rb'{"prompt": "x", "stop": ["a", "\ud800\u0041"]}', "stop[1]"),
        (rb'{"messages": [{"role": "user", "content": "\ud83d"}]}', "messages[0].content"),
        (rb'{"prompt": "x", "\ud800": 1}', None),
        (rb'{"prompt": "x", "logit_bias": {"\ud800": 1}}', "logit_bias"),
    ],
)
async def test_where_half_a_character_stands_is_told(server: Server, body: bytes, param: str | None) -> None:
    path = "/v1/chat/completions" if b"messages" in body else "/v1/completions"
    response = await server.client.post(path, content=body)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == param
    assert error["message"].startswith(f"{param or 'the body'}: holds a lone surrogate")


async def test_a_body_that_is_not_json_says_so_whatever_it_holds(server: Server) -> None:
    deep = b'{"prompt": "\\ud800", "stop": ' + b"[" * 100_000
    closed = deep + b"]" * 100_000 + b"}"
    for body in (deep, closed, b'{"prompt": "\\ud800"', b'{"prompt": "\xff"}', b'{"prompt": "\\ud8zz"}'):
        response = await server.client.post("/v1/completions", content=body)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_json")


async def test_a_prompt_in_the_place_of_a_name_is_not_repeated(server: Server) -> None:
    for body in (
        {"prompt": "x", "my secret prompt": 1},
        {"prompt": "x", "secret" * 20: 1},
        {"prompt": "x", "stream": True, "stream_options": {"my secret": 1}},
        {"prompt": "x", "logit_bias": {"my secret": 1}},
        {"prompt": "x", "user": ["my secret"]},
        {"prompt": "x", "suffix": "my secret"},
        {"prompt": "x", "model": "my secret"},
    ):
        response = await server.client.post("/v1/completions", json=body)
        assert 400 <= response.status_code < 500
        assert "secret" not in response.text
        assert response.json()["error"]["message"]


async def test_equal_limits_under_both_names_are_taken(server: Server) -> None:
    turns = [{"role": "user", "content": "x"}]
    body = {"messages": turns, "max_tokens": 2, "max_completion_tokens": 2}
    assert (await server.client.post("/v1/chat/completions", json=body)).status_code == 200


async def test_a_prompt_that_cannot_fit_is_not_even_encoded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoding runs in the loop that serves: a quarter of a megabyte of it would hold everybody up."""
    encoded: list[int] = []
    tokenizer = type(server.engine.model.tokenizer)
    encode = tokenizer.encode

    def watched(self: Any, text: str) -> list[int]:
        encoded.append(len(text))
        return encode(self, text)

    monkeypatch.setattr(tokenizer, "encode", watched)
    long = "x" * 200_000
    assert (await server.complete(long)).json()["error"]["code"] == "context_length_exceeded"
    chat = {"messages": [{"role": "user", "content": long}]}
    answer = await server.client.post("/v1/chat/completions", json=chat)
    assert answer.json()["error"]["code"] == "context_length_exceeded"
    assert encoded == []


async def test_nulls_and_neutral_values_are_taken(server: Server) -> None:
    answer = await server.complete(
        max_tokens=1, temperature=None, stop=None, n=1, logprobs=None, presence_penalty=0, user="someone", seed=None
    )
    assert answer.status_code == 200


async def test_other_refusals_have_openais_form_too(server: Server) -> None:
    client = server.client
    replies: list[tuple[httpx.Response, int]] = [
        (await client.post("/v1/completions", content=b"{not json"), 400),
        (await client.post("/v1/completions", content=b"[]"), 400),
        (await client.post("/v1/completions", content=b'{"prompt": "\\ud800"}'), 400),
        (await client.post("/v1/completions", content=b'{"prompt": "\xff"}'), 400),
        (await client.post("/v1/completions", content=b'{"prompt": "x", "temperature": NaN}'), 400),
        (await client.post("/v1/completions", json={"prompt": "x" * (1 << 20)}), 413),
        (await client.post("/v1/completions", json={"prompt": "x", "model": "other"}), 404),
        (await client.get("/v1/completions"), 405),
        (await client.get("/v1/nothing"), 404),
    ]
    for response, status in replies:
        assert response.status_code == status, response.text
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert (await client.get("/v1/completions")).headers["allow"] == "POST"


async def test_special_tokens_in_a_prompt_are_plain_text(server: Server) -> None:
    answer = (await server.complete("<|im_end|>", max_tokens=1)).json()
    assert answer["usage"]["prompt_tokens"] == len("<|im_end|>")


async def test_a_full_queue_is_429_with_retry_after(executables: Executables) -> None:
    async with serving(executables, queue_size=2) as server:
        server.executables.go.clear()
        asked = [asyncio.create_task(server.complete(max_tokens=1, seed=n)) for n in range(6)]  # 4 slots, 2 waiting
        await server.reaches(6, "sampler_requests_started_total")
        refused = await server.complete(max_tokens=1)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"]["type"] == "rate_limit_error"
        server.executables.go.set()
        assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
        assert await server.number("sampler_requests_total", code="429") == 1
        assert await server.number("sampler_quality_checked_total", check="errors", route_hash="none") == 6
