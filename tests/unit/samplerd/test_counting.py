"""What counts as a checked request, and what each counter says afterwards."""

import asyncio
import dataclasses
from collections import Counter
from typing import NoReturn

import httpx
import numpy as np
import pytest
from samplerd.openai_format import CompletionForm
from samplerd.program import Executables, Step

from tests.unit.samplerd.servers import Server, checked, serving, until


async def test_everything_starts_at_zero(executables: Executables) -> None:
    async with serving(executables) as server:
        numbers = await server.scrape()
        counts = {name: value for name, value in numbers.items() if name[0].endswith(("_total", "_count"))}
        assert set(counts.values()) == {0}
        for check in ("errors", "unexpected-script"):
            for route_hash in ("none", "other"):
                assert await checked(server, check, route_hash) == (0, 0)
        kinds = {dict(labels)["kind"] for name, labels in numbers if name == "sampler_audit_mismatch_total"}
        assert kinds == {"best-dropped", "outside-kept", "other-token", "kept-set", "invalid-row"}
        buckets = {dict(labels)["batch_bucket"] for name, labels in numbers if name == "sampler_audit_tokens_total"}
        assert buckets == {"1", "2", "4"}
        assert not any(name.endswith("_created") for name, _ in numbers)


async def test_clean_answers_are_checked_audited_and_timed(executables: Executables) -> None:
    async with serving(executables) as server:
        for _ in range(3):
            await server.complete(max_tokens=8)
        await server.complete(max_tokens=8, temperature=0)
        await server.complete(max_tokens=8, top_k=5)
        numbers = await server.scrape()
        assert await checked(server) == (5, 0)
        assert await checked(server, "unexpected-script") == (5, 0)
        tokens = numbers["sampler_tokens_total", frozenset()]
        assert 5 <= tokens <= 40
        assert numbers["sampler_requests_total", frozenset({("code", "200")})] == 5
        assert numbers["sampler_request_duration_seconds_count", frozenset({("checked", "true")})] == 5
        assert numbers["sampler_time_to_first_token_seconds_count", frozenset({("checked", "true")})] == 5
        await all_audited(server, tokens)
        assert await mismatches(server) == {}


async def audited(server: Server) -> float:
    return sum(value for (name, _), value in (await server.scrape()).items() if name == "sampler_audit_tokens_total")


async def all_audited(server: Server, tokens: float) -> None:
    async def enough() -> bool:
        return await audited(server) >= tokens

    await until(enough)


async def mismatches(server: Server) -> dict[str, float]:
    return {
        dict(labels)["kind"]: value
        for (name, labels), value in (await server.scrape()).items()
        if name == "sampler_audit_mismatch_total" and value
    }


async def test_refused_requests_are_not_checked(executables: Executables) -> None:
    async with serving(executables) as server:
        await server.complete(max_tokens=0)
        await server.complete(model="other")
        assert await checked(server) == (0, 0)
        assert await server.number("sampler_requests_total", code="400") == 1
        assert await server.number("sampler_requests_started_total") == 0


async def test_a_server_error_before_the_engine_is_checked_and_bad(executables: Executables) -> None:
    class Deaf:
        def __getattr__(self, name: str) -> NoReturn:
            raise RuntimeError(name)

    async with serving(executables, behind_gateway=True) as server:
        server.executables.model = dataclasses.replace(executables.model, tokenizer=Deaf())  # type: ignore[arg-type]
        server.engine._model = server.executables.model
        codes = [(await server.complete()).status_code for _ in range(5)]
        for session in ("one", "one", "two"):
            headers = {"x-sampler-route": "abcd;1", "x-session-id": session}
            codes.append((await server.complete(headers=headers)).status_code)
        assert set(codes) == {500}
        assert await server.number("sampler_requests_total", code="500") == 8
        assert await checked(server) == (5, 5)
        assert await checked(server, route_hash="abcd") == (2, 2)
        assert await checked(server, "unexpected-script") == (0, 0)
        assert await server.number("sampler_requests_started_total") == 0


async def test_an_answer_that_cannot_be_written_is_bad(
    executables: Executables, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(form: CompletionForm, text: str) -> NoReturn:
        raise RuntimeError

    monkeypatch.setattr(CompletionForm, "_whole_content", broken)
    async with serving(executables) as server:
        assert (await server.complete(max_tokens=1)).status_code == 500
        assert await checked(server) == (1, 1)
        assert await server.number("sampler_requests_total", code="500") == 1


async def test_refusals_of_a_dead_engine_are_checked_and_bad(executables: Executables) -> None:
    async with serving(executables) as server:
        server.engine.failed.set()
        assert (await server.complete()).status_code == 503
        server.engine.failed.clear()
        assert await checked(server) == (1, 1)
        assert await server.number("sampler_requests_total", code="503") == 1


async def test_with_a_route_header_only_a_sessions_first_request_is_checked(executables: Executables) -> None:
    async def ask(session: str | None, epoch: int, **parameters: int) -> None:
        headers = {"x-sampler-route": f"abcd1234;{epoch}"}
        if session:
            headers["x-session-id"] = session
        answer = await server.complete(**{"max_tokens": 1, **parameters}, headers=headers)
        assert answer.status_code != 200 or answer.json()["system_fingerprint"] == "r1-abcd1234"

    async with serving(executables, behind_gateway=True) as server:
        await ask("one", 1, max_tokens=0)  # a 400 leaves the session unseen
        await ask("one", 1)
        assert await checked(server, route_hash="abcd1234") == (1, 0)
        await ask("one", 1)
        await ask("one", 1)
        assert await checked(server, route_hash="abcd1234") == (1, 0)
        await ask("two", 1)
        await ask("one", 2)  # a new epoch: both arms forget together
        await ask(None, 2)
        await ask(None, 2)  # without a session each request is its own
        assert await checked(server, route_hash="abcd1234") == (5, 0)
        assert await checked(server) == (0, 0)
        numbers = await server.scrape()
        assert numbers["sampler_request_duration_seconds_count", frozenset({("checked", "false")})] == 2


async def test_without_an_epoch_sessions_do_not_stick_and_each_request_is_its_own(executables: Executables) -> None:
    async with serving(executables, behind_gateway=True) as server:
        for _ in range(3):
            headers = {"x-sampler-route": "abcd1234", "x-session-id": "one"}
            answer = await server.complete(max_tokens=1, headers=headers)
            assert answer.json()["system_fingerprint"] == "r1-abcd1234"
        assert await checked(server, route_hash="abcd1234") == (3, 0)


async def test_without_a_gateway_nobody_hides_requests_behind_a_header(executables: Executables) -> None:
    async with serving(executables) as server:
        for number in range(5):
            headers = {"x-sampler-route": f"abcd{number};7", "x-session-id": "one"}
            answer = await server.complete(max_tokens=1, headers=headers)
            assert answer.json()["system_fingerprint"] == "r1-none"
        assert await checked(server) == (5, 0)
        assert await checked(server, route_hash="other") == (0, 0)


async def test_without_a_route_header_each_request_is_its_own(executables: Executables) -> None:
    async with serving(executables) as server:
        for _ in range(3):
            await server.complete(max_tokens=1, headers={"x-session-id": "one"})
        assert await checked(server) == (3, 0)


async def test_route_hashes_are_few(executables: Executables) -> None:
    async with serving(executables, behind_gateway=True) as server:
        for route in ["aaaa;1", "bbbb;1", "cccc;1", "dddd", "eeee;1", "ffff;1", "aaaa", "<x>;1", "aaaa;", "aaaa;x"]:
            await server.complete(max_tokens=1, headers={"x-sampler-route": route})
        assert await checked(server, route_hash="aaaa") == (2, 0)
        assert await checked(server, route_hash="dddd") == (1, 0)
        assert await checked(server, route_hash="other") == (2, 0)
        assert await checked(server, route_hash="none") == (3, 0)


async def test_forgotten_sessions_are_counted(executables: Executables) -> None:
    async with serving(executables, behind_gateway=True, session_capacity=2) as server:
        for session in ("one", "two", "three", "one"):
            headers = {"x-sampler-route": "abcd;1", "x-session-id": session}
            await server.complete(max_tokens=1, headers=headers)
        assert await server.number("sampler_session_evictions_total") == 2
        assert await checked(server, route_hash="abcd") == (4, 0)


def not_a_number(step: Step) -> Step:
    return dataclasses.replace(step, valid=np.zeros_like(step.valid), logits=np.full_like(step.logits, np.nan))


async def test_invalid_logits_are_a_500_and_bad_for_errors(executables: Executables) -> None:
    async with serving(executables) as server:
        server.executables.spoil = not_a_number
        answer = await server.complete(max_tokens=3)
        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "engine_error"
        assert await checked(server) == (1, 1)
        assert await checked(server, "unexpected-script") == (0, 0)  # nothing was shown
        server.executables.spoil = lambda step: step
        assert (await server.complete(max_tokens=3)).status_code == 200  # the server lives on


async def test_a_wrong_token_is_caught_with_its_kind(executables: Executables) -> None:
    def next_token(step: Step) -> Step:
        return dataclasses.replace(step, token=(step.token + 1) % step.logits.shape[1])

    def wrong_best(step: Step) -> Step:
        return dataclasses.replace(step, best=step.best + 1)

    def one_more_kept(step: Step) -> Step:
        return dataclasses.replace(step, kept=step.kept + 1)

    def higher_threshold(step: Step) -> Step:
        return dataclasses.replace(step, threshold=np.nextafter(step.threshold, np.float32(np.inf)))

    async with serving(executables) as server:
        for spoil, parameters, kind in (
            (next_token, {}, "other-token"),
            (next_token, {"temperature": 0}, "outside-kept"),
            (wrong_best, {}, "best-dropped"),
            (one_more_kept, {}, "kept-set"),
            (higher_threshold, {}, "kept-set"),
            (not_a_number, {}, None),  # both sides call it invalid
        ):
            server.executables.spoil = spoil
            before = await mismatches(server)
            count = await audited(server)
            await server.complete(max_tokens=1, **parameters)
            await all_audited(server, count + 1)
            await asyncio.sleep(0.05)  # the audit counts the token first
            expected = Counter(before) + Counter([kind] if kind else [])
            assert await mismatches(server) == expected


async def test_a_letter_of_another_script_is_bad_unless_the_prompt_has_it(executables: Executables) -> None:
    rare = next(
        n for n in range(executables.model.vocabulary) if executables.model.tokenizer.token_bytes(n) == "ж".encode()
    )

    def russian(step: Step) -> Step:
        return dataclasses.replace(step, token=np.full_like(step.token, rare))

    async with serving(executables) as server:
        server.executables.spoil = russian
        answer = (await server.complete(max_tokens=2)).json()
        assert answer["choices"][0]["text"] == "жж"
        assert await checked(server, "unexpected-script") == (1, 1)
        assert await checked(server) == (1, 0)
        await server.complete("say да", max_tokens=2)
        assert await checked(server, "unexpected-script") == (2, 1)


async def test_a_disconnect_frees_the_slot_and_is_not_bad(executables: Executables) -> None:
    async with serving(executables, step_time=0.02) as server:
        async with server.client.stream(
            "POST", "/v1/completions", json={"prompt": "the river", "max_tokens": 100, "seed": 1, "stream": True}
        ) as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            assert await server.number("sampler_requests_running") == 1
        await server.settled()
        assert server.executables.steps < 60
        await server.reaches(1, "sampler_requests_total", code="499")
        assert await checked(server) == (1, 0)
        assert await checked(server, "unexpected-script") == (1, 0)  # a token was sent


async def test_a_disconnect_before_any_token_is_not_text_checked(executables: Executables) -> None:
    async with serving(executables) as server:
        server.executables.go.clear()
        with pytest.raises(httpx.ReadTimeout):
            await server.client.post("/v1/completions", json={"prompt": "x", "max_tokens": 9}, timeout=0.3)
        await server.reaches(1, "sampler_requests_total", code="499")
        server.executables.go.set()
        assert await checked(server) == (1, 0)
        assert await checked(server, "unexpected-script") == (0, 0)
        await server.settled()


async def test_who_gives_up_has_waited_until_then(executables: Executables) -> None:
    """A build that hangs is slow also where no client waits for the server's own limit."""
    async with serving(executables) as server:
        server.executables.go.clear()
        with pytest.raises(httpx.ReadTimeout):
            await server.client.post("/v1/completions", json={"prompt": "x", "max_tokens": 9}, timeout=0.35)
        await server.reaches(1, "sampler_requests_total", code="499")
        server.executables.go.set()
        numbers = await server.scrape()
        for name, slow in (("request_duration", 1), ("time_to_first_token", 1), ("time_per_output_token", 0)):
            count = numbers[f"sampler_{name}_seconds_count", frozenset({("checked", "true")})]
            within = numbers[f"sampler_{name}_seconds_bucket", frozenset({("checked", "true"), ("le", "0.3")})]
            assert count - within == count == slow
        await server.settled()
