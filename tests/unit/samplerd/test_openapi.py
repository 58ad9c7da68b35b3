"""The API's description: what it says is what the server does."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import TypeAdapter, ValidationError
from samplerd.api import Api
from samplerd.openai_answers import ChatPiece, CompletionPiece, Refusal
from samplerd.openai_schema import ChatRequest, CompletionRequest
from samplerd.openapi import PATH, description
from samplerd.program import Executables
from samplerd.service import Service
from samplerd.settings import Settings

from tests.support.examples import examples
from tests.support.fuzzing import fuzz
from tests.support.pages import DOCS
from tests.unit.samplerd.servers import Server, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")
CHAT = {"messages": [{"role": "user", "content": "the river"}]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(executables: Executables) -> AsyncIterator[Server]:
    async with serving(executables, behind_gateway=True) as running:
        yield running


async def test_requests_by_chance_are_answered_as_described(server: Server, tmp_path: Path) -> None:
    """A few here, with every value at its bounds in tests/soak."""
    count = str(examples(25))
    sent, wrong = await asyncio.to_thread(fuzz, server.api, tmp_path, "--phases", "fuzzing", "--max-examples", count)
    assert not wrong, wrong
    assert sent > int(count)
    assert (await server.client.get("/readyz")).status_code == 200


async def test_the_server_says_it_before_it_is_ready() -> None:
    answers: list[Any] = []

    async def send(message: Any) -> None:
        answers.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "GET", "path": PATH, "query_string": b"", "headers": []}
    await Api(Service(Settings())).app()(scope, receive, send)
    assert answers[0]["status"] == 200
    assert json.loads(answers[1]["body"]) == json.loads(json.dumps(description()))


async def test_it_has_every_route_and_method(server: Server) -> None:
    served = {
        (route.path, method.lower())
        for route in Api(Service(Settings())).app().routes
        for method in getattr(route, "methods", ())
        if method != "HEAD"
    }
    assert served == {(path, method) for path, methods in description()["paths"].items() for method in methods}


@pytest.mark.parametrize("model", [CompletionRequest, ChatRequest])
async def test_a_null_is_described_where_it_is_taken_and_nowhere_else(model: type[Any]) -> None:
    least = {"prompt": "x"} if model is CompletionRequest else CHAT
    for name, described in model.model_json_schema()["properties"].items():
        try:
            model.model_validate({**least, name: None})
            taken = True
        except ValidationError:
            taken = False
        says = any(one.get("type") == "null" for one in described.get("anyOf", [described]))
        assert says == taken, name


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions"])
async def test_every_event_of_a_stream_is_as_described(server: Server, path: str) -> None:
    asked = {"prompt": "x", "logprobs": 2} if path == "/v1/completions" else {**CHAT, "logprobs": True}
    body = {**asked, "stream": True, "stream_options": {"include_usage": True}, "n": 2, "max_tokens": 5}
    answer = await server.client.post(path, json=body)
    *events, last = re.findall("data: (.*)\n\n", answer.text)
    piece = TypeAdapter[Any](CompletionPiece if path == "/v1/completions" else ChatPiece)
    assert last == "[DONE]"
    assert [piece.validate_json(event).usage is not None for event in events] == [False] * (len(events) - 1) + [True]


async def test_a_stream_that_fails_says_so_as_described(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr("samplerd.answers.StreamedAnswer._piece", fails)
    answer = await server.complete(stream=True)
    (event,) = re.findall("data: (.*)\n\n", answer.text)
    assert Refusal.model_validate_json(event).error.type == "server_error"


async def test_the_page_names_it() -> None:
    assert f"`GET {PATH}`" in (DOCS / "sampling.md").read_text()
