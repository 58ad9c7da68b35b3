"""Streams whose tokens are chosen by the test: split characters, errors on the way."""

import dataclasses
import json
from collections.abc import Iterator

import numpy as np
import pytest
from samplerd.program import Executables, Step

from tests.unit.samplerd.servers import Server, serving


def say(server: Server, pieces: Iterator[bytes]) -> None:
    """Make the next tokens these pieces, which must be single bytes or whole tokens."""
    tokenizer, size = server.executables.model.tokenizer, server.executables.model.vocabulary
    ids = {tokenizer.token_bytes(token): token for token in range(3, size)}

    def spoken(step: Step) -> Step:
        return dataclasses.replace(step, token=np.full_like(step.token, ids[next(pieces)]))

    server.executables.spoil = spoken


async def pieces_of(server: Server, **parameters: object) -> list[str]:
    answer = await server.complete(stream=True, **parameters)
    data = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
    return [json.loads(line)["choices"][0]["text"] for line in data]


def single(data: bytes) -> Iterator[bytes]:
    return iter([bytes([value]) for value in data])


@pytest.mark.parametrize("text", ["ภาษา", "naïve 🙂 日本", "a\ufffdb"])
async def test_a_stream_never_shows_half_a_character(executables: Executables, text: str) -> None:
    async with serving(executables) as server:
        say(server, single(text.encode()))
        pieces = await pieces_of(server, max_tokens=len(text.encode()))
        assert "".join(pieces) == text
        assert [len(piece) for piece in pieces if piece] == [1] * len(text)


async def test_an_answer_cut_inside_a_character_ends_with_a_replacement(executables: Executables) -> None:
    async with serving(executables) as server:
        say(server, single("ab日".encode()))
        assert "".join(await pieces_of(server, max_tokens=4)) == "ab\ufffd"


async def test_a_stop_string_is_held_back_while_it_may_come(executables: Executables) -> None:
    async with serving(executables) as server:
        say(server, single(b"one\n\n- two"))
        pieces = await pieces_of(server, max_tokens=10, stop="\n\n-")
        assert "".join(pieces) == "one"


async def test_an_error_on_the_way_ends_the_stream_in_openais_form(executables: Executables) -> None:
    async with serving(executables) as server:

        def third_is_invalid(step: Step) -> Step:
            bad = server.executables.steps >= 3
            return dataclasses.replace(step, valid=np.full_like(step.valid, not bad))

        server.executables.spoil = third_is_invalid
        answer = await server.complete(max_tokens=9, seed=1, stream=True)
        *shown, last = [json.loads(line[6:]) for line in answer.text.splitlines() if line]
        assert len(shown) == 2
        assert last["error"]["type"] == "server_error"
        labels = {"route_hash": "none"}
        assert await server.number("sampler_quality_bad_total", check="errors", **labels) == 1
        assert await server.number("sampler_quality_checked_total", check="unexpected-script", **labels) == 1
        assert await server.number("sampler_requests_total", code="500") == 1
