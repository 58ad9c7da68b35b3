"""Prompts and answers leave the server only in its answer."""

import dataclasses
import logging
from typing import NoReturn

import httpx
import numpy as np
import pytest
from samplerd import oracle
from samplerd.audit import Audit
from samplerd.engine import Engine
from samplerd.generation import Failed, Finished
from samplerd.metrics import Metrics
from samplerd.program import Executables, Step
from samplerd.tokenizer import Tokenizer

from tests.unit.samplerd.servers import Paced, serving
from tests.unit.samplerd.test_engine import Asked

CANARY = "canary-4c7d91"
SESSION = "session-a81f"


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    for noisy in ("httpx", "httpcore"):  # the client's own
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return caplog


def test_what_kills_the_engine_and_what_the_audit_trips_over_are_logged_without_their_words(
    executables: Executables, everything_logged: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception's message may hold a token, a text or a request."""

    def confused(*_: object) -> NoReturn:
        raise LookupError(f"no such text: {CANARY}")

    def fatal(*_: object) -> NoReturn:
        raise ArithmeticError(f"cannot draw after {CANARY}")

    paced, audit = Paced(executables), Audit(Metrics(), share=1.0, capacity=100)
    monkeypatch.setattr(oracle, "expect", confused)
    engine = Engine(paced, queue_size=4)  # type: ignore[arg-type]
    engine.start([audit])
    assert isinstance(Asked(engine, CANARY).end(), Finished)
    paced.spoil = fatal
    assert isinstance(Asked(engine, CANARY).end(), Failed)
    engine.stop()
    audit.stop()
    log = everything_logged.text + repr([(one.args, one.exc_info) for one in everything_logged.records])
    for told in ("the audit could not judge a token: LookupError", "the engine died: ArithmeticError"):
        assert told in log
    assert "in fatal" in log  # where it went wrong is there
    assert CANARY not in log


async def test_no_log_line_and_no_metric_holds_a_prompt_an_answer_or_a_session(
    executables: Executables, everything_logged: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"x-session-id": SESSION, "x-sampler-route": "abcd;1"}

    def invalid(step: Step) -> Step:
        return dataclasses.replace(step, valid=np.zeros_like(step.valid))

    def confused(_self: Tokenizer, text: str) -> NoReturn:
        raise ValueError(f"cannot encode {text!r}")

    async with serving(executables) as server:
        answer = (await server.complete(CANARY, max_tokens=12, seed=1, headers=headers)).json()["choices"][0]["text"]
        await server.complete(CANARY, max_tokens=5, stream=True, stop=[CANARY], user=CANARY, headers=headers)
        refused = [
            await server.complete(CANARY, temperature=9, headers=headers),
            await server.complete(CANARY, **{CANARY: 1}),
            await server.complete(CANARY, model=CANARY),
            await server.complete([CANARY, CANARY]),  # type: ignore[arg-type]
            await server.client.post("/v1/completions", content=f'{{"prompt": "{CANARY}'),
            await server.client.post(f"/v1/{CANARY}", json={"prompt": CANARY}),
        ]
        assert all(400 <= response.status_code < 500 for response in refused)
        assert sum(CANARY in response.text for response in refused) <= 1  # an unknown parameter's own name
        server.executables.go.clear()
        with pytest.raises(httpx.ReadTimeout):
            await server.client.post("/v1/completions", json={"prompt": CANARY}, timeout=0.2)
        server.executables.go.set()
        server.executables.spoil = invalid
        assert (await server.complete(CANARY)).status_code == 500
        monkeypatch.setattr(type(executables.model.tokenizer), "encode", confused)
        assert (await server.complete(CANARY)).status_code == 500
        metrics = (await server.client.get(server.metrics_url)).text
    log = everything_logged.text + repr([record.args for record in everything_logged.records])
    assert "ValueError" in log  # where it went wrong is there
    for secret in (CANARY, SESSION, answer.strip()):
        assert secret not in log
        assert secret not in metrics
