"""Requests that nobody should send: each is answered or refused, breaks nothing, and does not show in the log."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from samplerd.openai_schema import ChatRequest, CompletionRequest
from samplerd.program import Executables

from tests.support.examples import examples
from tests.unit.samplerd.servers import Server, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANARY = "canary-1f7b3e"
REQUESTS = examples(150)
SCHEMAS = {"/v1/completions": CompletionRequest, "/v1/chat/completions": ChatRequest}
BODIES = {
    "nothing": b"",
    "no JSON": b"{" + CANARY.encode(),
    "no object": json.dumps([CANARY]).encode(),
    "a number": b"7",
    "nested": b"[" * 100_000,
    "nested in a parameter": b'{"prompt": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "twice": b'{"prompt": "x", "prompt": "y", "max_tokens": 1}',
    "not UTF-8": b'{"prompt": "\xff\xfe"}',
    "half a pair": b'{"prompt": "\\ud800", "max_tokens": 1}',
    "NaN": b'{"prompt": "x", "temperature": NaN}',
    "beyond floats": b'{"prompt": "x", "temperature": 1e999}',
    "a long number": b'{"prompt": "x", "seed": ' + b"9" * 5000 + b"}",
    "a long key": b'{"' + b"k" * 100_000 + b'": 1, "prompt": "x"}',
    "a null byte": json.dumps({"prompt": f"\0{CANARY}", "max_tokens": 1}).encode(),
}
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**64, -(2**70), 0.5, -0.0, 1e308, "", CANARY, "x" * 5000, [], [CANARY], [[]],
    {}, {CANARY: CANARY}, {"-1": 1}, {"0": 1e9}, [0, 0], [-1], [2**40], [None],
)  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(executables: Executables) -> AsyncIterator[Server]:
    async with serving(executables) as running:
        yield running


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    for noisy in ("httpx", "httpcore"):  # the client's own
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return caplog


async def post(server: Server, path: str, body: bytes) -> None:
    """It is answered, or refused in OpenAI's form."""
    async with asyncio.timeout(30):
        answer = await server.client.post(path, content=body)
    assert answer.status_code in {200, 400, 404, 413}, (answer.status_code, body[:200])
    if answer.status_code != 200:
        assert answer.json()["error"]["message"]
        assert len(answer.content) < 4096, "a refusal does not repeat the request"


@pytest.mark.parametrize("path", SCHEMAS)
@pytest.mark.parametrize("name", BODIES)
async def test_bodies(server: Server, log: pytest.LogCaptureFixture, path: str, name: str) -> None:
    await post(server, path, BODIES[name])
    assert CANARY not in log.text


@pytest.mark.parametrize("path", SCHEMAS)
async def test_parameters_by_chance(server: Server, log: pytest.LogCaptureFixture, path: str) -> None:
    chance = random.Random(path)
    names = [field.alias or name for name, field in SCHEMAS[path].model_fields.items()]
    for _ in range(REQUESTS):
        plain = {"prompt": CANARY} if path == "/v1/completions" else {"messages": [{"role": "user", "content": CANARY}]}
        odd = {chance.choice([*names, "unknown"]): chance.choice(ODD) for _ in range(chance.randint(1, 3))}
        body = {**plain, "max_tokens": 2, **odd}
        await post(server, path, json.dumps(body).encode())
    assert CANARY not in log.text + repr([one.args for one in log.records])
    assert (await server.client.get("/healthz")).status_code == 200
