"""Several answers to one request: `n` of completions and of chats."""

import asyncio
import dataclasses
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from samplerd.engine import Engine, QueueFullError
from samplerd.generation import Ask, Event, Finished, Generation, Piece, choices
from samplerd.program import Executables, Step

from tests.unit.samplerd.asgi import Client
from tests.unit.samplerd.servers import Paced, Server, checked, serving
from tests.unit.samplerd.test_api import events

SEED_STEP = 11400714819323198485
"""As docs/sampling.md says."""


async def texts(server: Server, **parameters: Any) -> list[str]:
    answer = await server.complete(**{"max_tokens": 12, **parameters})
    assert answer.status_code == 200, answer.text
    found = answer.json()["choices"]
    assert [choice["index"] for choice in found] == list(range(len(found)))
    return [choice["text"] for choice in found]


@pytest.mark.long
async def test_each_answer_is_that_of_its_own_seed_alone(executables: Executables) -> None:
    async with serving(executables) as server:
        for seed in (7, -3, 2**64 - 1):
            together = await texts(server, n=6, seed=seed)  # four slots: two of them wait
            assert together == await texts(server, n=6, seed=seed)
            assert len(set(together)) == 6
            alone = [(await texts(server, seed=(seed + index * SEED_STEP) % 2**64))[0] for index in range(6)]
            assert together == alone
        assert len(set(await texts(server, n=3))) == 3, "without a seed"
        assert len(set(await texts(server, n=3, temperature=0))) == 1


async def test_a_chat_has_several_answers_too(executables: Executables) -> None:
    async with serving(executables) as server:
        body = {"messages": [{"role": "user", "content": "the river"}], "max_tokens": 9, "seed": 4, "n": 3}
        whole = (await server.client.post("/v1/chat/completions", json=body)).json()
        said = [choice["message"]["content"] for choice in whole["choices"]]
        assert len(set(said)) == 3
        streamed = await server.client.post("/v1/chat/completions", json={**body, "stream": True})
        found = [piece["choices"][0] for piece in events(streamed.text)]
        for index in range(3):
            mine = [choice for choice in found if choice["index"] == index]
            assert [choice["delta"].get("role") for choice in mine] == ["assistant"] + [None] * (len(mine) - 1)
            assert "".join(choice["delta"].get("content", "") for choice in mine) == said[index]
            assert [choice["finish_reason"] for choice in mine if choice["finish_reason"]] == ["length"]


async def test_a_stream_interleaves_answers_and_counts_all_of_them(executables: Executables) -> None:
    async with serving(executables) as server:
        whole = (await server.complete(n=3, seed=9, max_tokens=10, logprobs=1)).json()
        assert whole["usage"] == {"prompt_tokens": 4, "completion_tokens": 30, "total_tokens": 34}
        options = {"stream": True, "stream_options": {"include_usage": True}}
        *pieces, usage = events((await server.complete(n=3, seed=9, max_tokens=10, logprobs=1, **options)).text)
        assert usage["usage"] == whole["usage"]
        order = [piece["choices"][0]["index"] for piece in pieces]
        assert order[:3] != [0, 0, 0], "nobody waits for another's end"
        for choice in whole["choices"]:
            mine = [piece["choices"][0] for piece in pieces if piece["choices"][0]["index"] == choice["index"]]
            assert "".join(one["text"] for one in mine) == choice["text"]
            offsets = [at for one in mine if one["logprobs"] for at in one["logprobs"]["text_offset"]]
            assert offsets == choice["logprobs"]["text_offset"]


async def test_a_request_counts_once_when_all_its_answers_have_ended(executables: Executables) -> None:
    async with serving(executables) as server:
        await texts(server, n=4, seed=1)
        assert await checked(server) == (1, 0)
        assert await checked(server, "unexpected-script") == (1, 0)
        numbers = await server.scrape()
        label = frozenset({("checked", "true")})
        assert numbers["sampler_requests_started_total", frozenset()] == 1
        assert numbers["sampler_tokens_total", frozenset()] == 48
        for name in ("request_duration", "time_to_first_token", "time_per_output_token"):
            assert numbers[f"sampler_{name}_seconds_count", label] == 1
        assert numbers["sampler_time_per_output_token_seconds_sum", label] < 1.0


async def test_one_bad_answer_makes_the_request_bad(executables: Executables) -> None:
    size = executables.model.vocabulary
    rare = next(n for n in range(size) if executables.model.tokenizer.token_bytes(n) == "ж".encode())

    def third_is_russian(step: Step) -> Step:
        token = step.token.copy()
        token[2:3] = rare
        return dataclasses.replace(step, token=token)

    def third_is_invalid(step: Step) -> Step:
        valid = step.valid.copy()
        valid[2:3] = False
        return dataclasses.replace(step, valid=valid)

    async with serving(executables) as server:
        server.executables.spoil = third_is_russian
        said = await texts(server, n=3)
        assert ["ж" in text for text in said] == [False, False, True]
        assert await checked(server, "unexpected-script") == (1, 1)
        assert await checked(server) == (1, 0)
        server.executables.spoil = third_is_invalid
        for stream in (False, True):
            answer = await server.complete(n=3, max_tokens=50, stream=stream)
            assert answer.status_code == (200 if stream else 500)
            assert '"engine_error"' in answer.text
        await server.settled()
        assert await checked(server) == (3, 2)
        assert await server.number("sampler_requests_total", code="500") == 2


async def test_a_disconnect_frees_all_slots_and_places(executables: Executables) -> None:
    async with serving(executables, step_time=0.02) as server:
        body = {"prompt": "the river", "max_tokens": 100, "seed": 1, "stream": True, "n": 6}
        async with server.client.stream("POST", "/v1/completions", json=body) as stream:
            await anext(stream.aiter_lines())
            assert await server.number("sampler_requests_running") == 4
            assert await server.number("sampler_requests_waiting") == 2
        await server.settled()
        assert server.executables.steps < 60
        await server.reaches(1, "sampler_requests_total", code="499")
        assert await checked(server) == (1, 0)


async def test_a_client_that_went_was_shown_only_the_answers_that_it_took(executables: Executables) -> None:
    paced = Paced(executables)
    engine = Engine(paced, queue_size=4)  # type: ignore[arg-type]
    size = executables.model.vocabulary
    rare = next(n for n in range(size) if executables.model.tokenizer.token_bytes(n) == "ж".encode())

    def second_is_russian(step: Step) -> Step:
        token = step.token.copy()
        token[1:2] = rare
        return dataclasses.replace(step, token=token)

    paced.spoil = second_is_russian
    engine.start()
    client = Client(engine)
    client.goes_at = 2  # the head and the first answer's first piece are taken
    await client.ask(n=2, max_tokens=20, stream=True)
    engine.stop()
    assert client.checked("unexpected-script") == (1, 0)
    assert client.requests() == {"499": 1}


async def test_all_answers_find_room_or_none(executables: Executables) -> None:
    async with serving(executables, queue_size=2) as server:
        server.executables.go.clear()
        first = asyncio.create_task(server.complete(n=4, max_tokens=2))
        await server.reaches(1, "sampler_requests_started_total")
        assert (await server.complete(n=3, max_tokens=2)).status_code == 429
        second = asyncio.create_task(server.complete(n=2, max_tokens=2))
        await server.reaches(2, "sampler_requests_started_total")
        assert (await server.complete(max_tokens=2)).status_code == 429
        too_many = (await server.complete(n=7, max_tokens=2)).json()["error"]
        assert too_many["param"] == "n"
        assert "at most 6" in too_many["message"]
        server.executables.go.set()
        answers = [await first, await second]
        assert [len(answer.json()["choices"]) for answer in answers] == [4, 2]


async def test_the_time_limit_is_the_requests(executables: Executables) -> None:
    async with serving(executables, step_time=0.05, request_timeout=0.3) as server:
        assert (await server.complete(n=3, max_tokens=100, seed=1)).status_code == 504
        assert await checked(server) == (1, 1)
        await server.settled()


async def test_best_of_may_say_what_n_says(executables: Executables) -> None:
    async with serving(executables) as server:
        assert len(await texts(server, n=2, best_of=2)) == 2
        assert json.loads((await server.complete(best_of=2)).text)["error"]["param"] == "best_of"


class Counting(Paced):
    """Counts what is read and what is copied."""

    def __init__(self, executables: Executables) -> None:
        super().__init__(executables)
        self.read: list[int] = []
        self.copied: list[tuple[int, int]] = []

    def prefill(self, tokens: npt.NDArray[np.int32], start: int, slot: int) -> None:
        self.read.append(slot)
        super().prefill(tokens, start, slot)

    def copy_slot(self, source: int, target: int) -> None:
        self.copied.append((source, target))
        super().copy_slot(source, target)


def draw(engine: Engine, asks: list[Ask]) -> list[list[int]]:
    seen: list[list[Event]] = [[] for _ in asks]
    generations = [Generation(ask, engine.model.tokenizer, mine.append) for ask, mine in zip(asks, seen, strict=True)]
    engine.submit(*generations)
    while any(not isinstance(mine[-1], Finished) if mine else True for mine in seen):
        engine._turn()
    assert all(isinstance(event, Piece) for mine in seen for event in mine[:-1])
    return [generation.tokens for generation in generations]


@pytest.mark.parametrize("length", [1, 2, 16, 17, 100])
def test_a_prompt_of_several_answers_is_read_once(executables: Executables, length: int) -> None:
    """The toy's next token depends on the last two: a slot that was not copied, or wrongly, would show."""
    prompt = tuple(260 + (7 * n) % 100 for n in range(length))
    asked = choices(Ask(prompt=prompt, max_tokens=6, seed=3, temperature=0.8), 6)
    alone = [draw(Engine(executables, queue_size=2), [ask])[0] for ask in asked]
    counting = Counting(executables)
    assert draw(Engine(counting, queue_size=2), asked) == alone  # type: ignore[arg-type]
    chunks = -(-(length - 1) // 64)
    assert counting.read[:chunks] == [0] * chunks
    assert counting.copied[: 3 if length > 1 else 0] == ([(0, 1), (0, 2), (0, 3)] if length > 1 else [])
    assert len(counting.read) <= 2 * chunks, "two had to wait; when they come, all others may have ended"


def test_equal_prompts_of_different_requests_are_read_apart(executables: Executables) -> None:
    """Else the time to the first token would tell whether somebody else asks the same."""
    prompt = executables.model.tokenizer.encode(" the river and the stone")
    counting = Counting(executables)
    asks = [Ask(prompt=tuple(prompt), max_tokens=3, seed=seed) for seed in range(3)]
    draw(Engine(counting, queue_size=4), asks)  # type: ignore[arg-type]
    assert counting.copied == []
    assert sorted(counting.read) == [0, 1, 2]


def test_more_than_fits_is_refused_whole(executables: Executables) -> None:
    engine = Engine(executables, queue_size=1)
    asks = choices(Ask(prompt=(300,), max_tokens=3, seed=0), 6)
    with pytest.raises(QueueFullError):
        engine.submit(*(Generation(ask, engine.model.tokenizer, lambda event: None) for ask in asks))
    assert engine.waiting == 0
    assert engine.most_together == 5
