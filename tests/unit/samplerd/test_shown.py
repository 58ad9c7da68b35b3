"""Text counts as shown when the transport took it while the client was there, and not before."""

import asyncio
import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
from samplerd.engine import Engine
from samplerd.program import Executables, Step

from tests.unit.samplerd.asgi import Client
from tests.unit.samplerd.servers import Paced

SCRIPT = "unexpected-script"
CYRILLIC = "ж"


@pytest.fixture
def paced(executables: Executables) -> Paced:
    return Paced(executables)


@pytest.fixture
def engine(paced: Paced) -> Iterator[Engine]:
    fresh = Engine(paced, queue_size=4)  # type: ignore[arg-type]
    fresh.start()
    yield fresh
    fresh.stop()


def say(paced: Paced, *words: str) -> None:
    """Make the next tokens these, and the last of them all that follow."""
    tokenizer, size = paced.model.tokenizer, paced.model.vocabulary
    ids = {tokenizer.token_bytes(token).decode(errors="ignore"): token for token in range(3, size)}
    tokens = [ids[word] for word in words]

    def spoken(step: Step) -> Step:
        token = tokens.pop(0) if len(tokens) > 1 else tokens[0]
        return dataclasses.replace(step, token=np.full_like(step.token, token))

    paced.spoil = spoken


async def all_drawn(paced: Paced, steps: int) -> None:
    """Wait until the engine has drawn every token; their text is queued for the client."""
    async with asyncio.timeout(20):
        while paced.steps < steps:  # noqa: ASYNC110  (another thread counts)
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)


async def test_an_answer_that_was_taken_counts(engine: Engine, paced: Paced) -> None:
    for stream in (False, True):
        say(paced, "a", CYRILLIC)
        client = Client(engine)
        await client.ask(max_tokens=2, stream=stream)
        assert CYRILLIC in client.text
        assert client.checked(SCRIPT) == (1, 1)
        assert client.requests() == {"200": 1}


async def test_text_that_waits_for_a_slow_client_is_not_shown_when_it_goes(engine: Engine, paced: Paced) -> None:
    say(paced, "a", CYRILLIC)
    client = Client(engine)
    client.reads.clear()
    asked = asyncio.create_task(client.ask(max_tokens=6, stream=True))
    await all_drawn(paced, 6)
    client.goes_at = 2  # the head and the first piece are taken
    client.reads.set()
    await asked
    assert '"text":"a"' in client.text
    assert CYRILLIC not in client.text
    assert client.checked(SCRIPT) == (1, 0)
    assert client.checked("errors") == (1, 0)
    assert client.requests() == {"499": 1}


@pytest.mark.parametrize("goes_at", [0, 1])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_took_no_text_is_not_text_checked(
    engine: Engine, paced: Paced, stream: bool, goes_at: int
) -> None:
    say(paced, CYRILLIC)
    client = Client(engine)
    client.goes_at = goes_at
    await client.ask(max_tokens=3, stream=stream)
    assert client.checked(SCRIPT) == (0, 0)
    assert client.checked("errors") == (1, 0)
    assert client.requests() == {"499": 1}


async def test_a_whole_answer_whose_client_went_while_it_was_drawn_is_not_shown(engine: Engine, paced: Paced) -> None:
    say(paced, CYRILLIC)
    paced.go.clear()
    client = Client(engine)
    asked = asyncio.create_task(client.ask(max_tokens=3))
    await asyncio.sleep(0.05)
    client.go()
    paced.go.set()
    await asked
    assert client.taken == []
    assert client.checked(SCRIPT) == (0, 0)
    assert client.requests() == {"499": 1}


async def test_an_error_that_came_before_the_client_went_is_bad(engine: Engine, paced: Paced) -> None:
    def third_is_invalid(step: Step) -> Step:
        return dataclasses.replace(step, valid=np.full_like(step.valid, paced.steps < 3))

    paced.spoil = third_is_invalid
    client = Client(engine)
    client.reads.clear()
    asked = asyncio.create_task(client.ask(max_tokens=6, stream=True))
    await all_drawn(paced, 3)
    client.goes_at = 2
    client.reads.set()
    await asked
    assert client.checked("errors") == (1, 1)
    assert client.requests() == {"500": 1}


async def test_a_client_that_never_reads_is_let_go_at_the_limit_and_is_not_bad(engine: Engine) -> None:
    client = Client(engine, request_timeout=0.3)
    client.reads.clear()
    async with asyncio.timeout(10):
        await client.ask(max_tokens=3, stream=True)
    assert client.checked("errors") == (1, 0)
    assert client.checked(SCRIPT) == (0, 0)
    assert client.requests() == {"499": 1}


async def test_a_request_cut_off_before_its_first_byte_is_counted(engine: Engine, paced: Paced) -> None:
    client = Client(engine)
    client.reads.clear()
    asked = asyncio.create_task(client.ask(max_tokens=90, stream=True))
    await all_drawn(paced, 3)
    asked.cancel()  # as the end of a drain does
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert client.checked("errors") == (1, 1)
    assert client.requests() == {"500": 1}
