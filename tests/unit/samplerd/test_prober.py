"""The prober against servers that answer, refuse, hang and talk nonsense."""

import asyncio
import contextlib
import json
import logging
import os
import random
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import quality_contract as names
from samplerd.openai_schema import ChatRequest
from samplerd.probing import run
from samplerd.probing.asks import PARAMETERS, Asks
from samplerd.probing.prober import Prober
from samplerd.probing.settings import ProbeSettings, address_of
from samplerd.probing.targets import LONGEST_REST, Place, Target
from samplerd.program import Executables

from tests.unit.samplerd.servers import checked, serving, until

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Scripted:
    """A server on one loopback address that does the same thing to everybody, and keeps what it was sent."""

    def __init__(self, behaviour: bytes | Behaviour, host: str = "127.0.0.1") -> None:
        self._behaviour = behaviour
        self.host = host
        self.port = 0
        self.asked: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        self.asked.append(await reader.readexactly(length))
        with contextlib.suppress(ConnectionError):
            if isinstance(self._behaviour, bytes):
                writer.write(self._behaviour)
            else:
                await self._behaviour(reader, writer)
            await writer.drain()
        writer.close()

    @property
    def target(self) -> str:
        return f"{self.host}:{self.port}"

    async def has(self, asks: int) -> None:
        async def enough() -> bool:
            return len(self.asked) >= asks

        await until(enough)


@contextlib.asynccontextmanager
async def listening(*servers: Scripted, port: int = 0) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for one in servers:
            made = await stack.enter_async_context(await asyncio.start_server(one, one.host, port))
            one.port = made.sockets[0].getsockname()[1]
        yield


def prober_of(*targets: str, **settings: Any) -> Prober:
    return Prober(ProbeSettings(**{"target": targets, "rate": 100, "duration": 0.5, "drain_timeout": 1, **settings}))


async def outcomes(behaviour: bytes | Behaviour, **settings: Any) -> Counter[str]:
    server = Scripted(behaviour)
    async with listening(server):
        prober = prober_of(server.target, **{"per_address": 1, **settings})
        await prober.run()
    return prober.tally.lines[server.target].outcomes


async def test_the_rate_is_kept_and_spread_evenly_over_targets_and_their_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    single, *pair = Scripted(GOOD), Scripted(GOOD, "127.0.0.2"), Scripted(GOOD, "127.0.0.3")
    async with listening(single), listening(*pair[:1]), listening(*pair[1:], port=pair[0].port):
        resolves_to(monkeypatch, {"pair": ["127.0.0.2", "127.0.0.3"]})
        prober = prober_of(single.target, f"pair:{pair[0].port}", rate=80, duration=1, per_address=64)
        await prober.run()
    sent = [len(server.asked) for server in (single, *pair)]
    assert sum(sent) == prober.tally.answered
    assert 4 <= sum(sent) <= 81, "never more than the rate; a busy machine may miss some ticks"
    assert abs(sent[0] - sent[1] - sent[2]) <= 1
    assert abs(sent[1] - sent[2]) <= 1


def resolves_to(monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str] | int]) -> None:
    """Names and their addresses, or the error number with which asking for them fails."""
    real = asyncio.BaseEventLoop.getaddrinfo

    async def getaddrinfo(self: asyncio.BaseEventLoop, host: str, port: int, **kwargs: Any) -> Any:
        found = names.get(host)
        if isinstance(found, int):
            raise socket.gaierror(found, "said by the test")
        if found is None:
            return await real(self, host, port, **kwargs)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)


async def test_a_name_is_asked_for_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, list[str] | int] = {"pods": ["127.0.0.2"]}
    resolves_to(monkeypatch, names)
    target = Target("pods:9")
    await target.resolve()
    kept = target.places[0]
    names["pods"] = ["127.0.0.3", "127.0.0.2"]
    await target.resolve()
    assert [place.address for place in target.places] == [("127.0.0.2", 9), ("127.0.0.3", 9)]
    assert target.places[0] is kept, "what is known of an address that stays is kept"
    names["pods"] = socket.EAI_AGAIN
    await target.resolve()
    assert len(target.places) == 2, "a name server that does not answer says nothing of the pods"
    names["pods"] = socket.EAI_NONAME
    await target.resolve()
    assert target.places == [], "no pod is ready any more"
    assert target.pick(0.0, 4) == "no-address"


async def test_new_addresses_get_probes_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Scripted(GOOD)
    names: dict[str, list[str] | int] = {"pods": socket.EAI_NONAME}
    resolves_to(monkeypatch, names)
    async with listening(server):
        prober = prober_of(f"pods:{server.port}", resolve_every=0.05, duration=0.6)
        running = asyncio.create_task(prober.run())
        await asyncio.sleep(0.2)
        assert server.asked == []
        names["pods"] = ["127.0.0.1"]
        await running
    assert server.asked
    assert prober.tally.lines[f"pods:{server.port}"].skipped["no-address"] > 0


@pytest.mark.long
async def test_who_turns_probes_away_is_left_alone() -> None:
    found = await outcomes(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n")
    assert found == {"429": 1}
    found = await outcomes(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nRetry-After: 30\r\n\r\n", duration=1.5)
    assert found == {"503": 1}


def test_each_refusal_in_a_row_is_followed_by_a_longer_rest() -> None:
    place, now, rests = Place(("127.0.0.1", 9)), 0.0, []
    for _ in range(8):
        place.turned_away(now, None)
        rests.append(place.rests_until - now)
        now = place.rests_until
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60]
    place.turned_away(now - 1, None)
    assert place.rests_until == now, "what was under way with the last refusal is no further one"
    place.answered()
    place.turned_away(now, None)
    assert place.rests_until - now == 1
    now += 1
    place.turned_away(now, 99999)
    assert place.rests_until - now == LONGEST_REST


async def test_a_server_that_refuses_costs_the_others_nothing() -> None:
    good, bad = Scripted(GOOD), Scripted(b"HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n")
    async with listening(good, bad):
        prober = prober_of(good.target, bad.target, rate=60, duration=0.9, per_address=64)
        await prober.run()
    skipped = prober.tally.lines[bad.target].skipped
    assert skipped["resting"] > 0
    assert abs(len(good.asked) - len(bad.asked) - skipped["resting"]) <= 1, "the share that was not sent is nobody's"


async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_a_server_that_hangs_is_not_piled_up_on() -> None:
    server = Scripted(hang)
    async with listening(server):
        prober = prober_of(server.target, per_address=3, drain_timeout=0.1)
        await prober.run()
    line = prober.tally.lines[server.target]
    assert len(server.asked) == 3
    assert line.outcomes == {"cut-off": 3}
    assert line.skipped["busy"] > 10


async def test_a_probe_has_a_time_limit() -> None:
    assert await outcomes(hang, timeout=0.2, per_address=1) == {"timeout": 1}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HELO\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2097152\r\n\r\n" + b" " * 2097152,
    ],
    ids=["nothing", "no-http", "cut", "flood"],
)
async def test_what_is_no_whole_answer_is_broken(answer: bytes) -> None:
    assert await outcomes(answer) == {"broken": 1}


async def test_a_redirect_is_not_followed() -> None:
    elsewhere = Scripted(GOOD)
    async with listening(elsewhere):
        location = f"Location: http://{elsewhere.target}/\r\n".encode()
        found = await outcomes(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n" + location + b"\r\n", duration=0.1)
    assert set(found) == {"302"}
    assert elsewhere.asked == []


async def test_nobody_there_is_unreachable() -> None:
    prober = prober_of("127.0.0.1:1", duration=0.2)
    await prober.run()
    assert prober.tally.lines["127.0.0.1:1"].outcomes == {"unreachable": 1}
    assert prober.tally.answered == 0


async def test_stopped_it_sends_no_more_and_waits_for_what_is_under_way() -> None:
    release = asyncio.Event()

    async def slow(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(GOOD)

    server = Scripted(slow)
    async with listening(server):
        prober = prober_of(server.target, duration=0, drain_timeout=10)
        running = asyncio.create_task(prober.run())
        await server.has(4)
        prober.stop()
        await asyncio.sleep(0.1)
        release.set()
        await running
    assert len(server.asked) == 4
    assert prober.tally.lines[server.target].outcomes == {"200": 4}


CANARY = "canary-4c7d91"


def saying(status: int, body: str) -> bytes:
    """An answer that says it everywhere: reason, a header, body."""
    head = f"HTTP/1.1 {status} {CANARY}\r\nRetry-After: {CANARY}\r\nX-Said: {CANARY}\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n{body}".encode()


CHOICE = {"message": {"content": f"{CANARY} слово ```json\n{{\n```"}, "logprobs": {"content": [{"token": CANARY}]}}
DRAWN = {"token": CANARY, "logprob": -0.1, "top_logprobs": [{"token": CANARY, "logprob": -0.1}]}
READABLE = CHOICE | {"logprobs": {"content": [DRAWN]}}
ANSWERS = {
    "good": json.dumps({"choices": [READABLE], CANARY: CANARY}),
    "without log-probabilities": json.dumps({"choices": [CHOICE]}),
    "no completion": json.dumps({CANARY: CANARY}),
    "no JSON": CANARY,
}


@pytest.mark.parametrize("judge", [False, True])
async def test_no_log_line_metric_or_summary_holds_a_prompt_or_an_answer(
    caplog: pytest.LogCaptureFixture, judge: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    servers = [Scripted(saying(200, body)) for body in ANSWERS.values()]
    servers += [Scripted(saying(status, CANARY)) for status in (302, 400, 401, 403, 429, 500, 503)]
    servers += [Scripted(b""), Scripted(f"{CANARY}\r\n\r\n".encode())]
    async with listening(*servers):
        targets = [f"cpu/r{number}={server.target}" for number, server in enumerate(servers)]
        prober = prober_of(*targets, judge=judge, rate=200)
        await prober.run()
    prompts = {json.loads(body)["messages"][0]["content"] for server in servers for body in server.asked}
    from prometheus_client import generate_latest

    shown = caplog.text + repr([one.args for one in caplog.records])
    shown += prober.tally.as_json(prober.verdicts) + prober.tally.as_text(prober.verdicts) + prober.tally.sentence
    shown += generate_latest(prober.tally.registry).decode()
    assert all(server.asked for server in servers)
    assert not [words for words in (*prompts, CANARY) if words in shown]


def test_every_ask_is_one_that_servers_understand() -> None:
    asks = Asks(16, random.Random(1))
    asked = [ChatRequest.model_validate_json(asks.next()) for _ in range(200)]
    assert {one.seed for one in asked} == {None}, "calibration needs seeds that the server draws"
    assert {one.temperature for one in asked} == {values["temperature"] for values in PARAMETERS}
    assert len({one.messages[0].text for one in asked}) > 50


@pytest.mark.long
async def test_a_real_server_counts_them_as_probes(executables: Executables) -> None:
    async with serving(executables, behind_gateway=True) as server:
        target = server.metrics_url.removeprefix("http://").removesuffix("/metrics")
        prober = prober_of(target, rate=10, duration=1, max_tokens=2, drain_timeout=10)
        await prober.run()
        answered = prober.tally.answered
        assert answered >= 3
        assert await checked(server, route_hash="probe") == (answered, 0)
        assert await checked(server, "unexpected-script", "probe") == (answered, 0)
        assert await checked(server) == (0, 0)


async def test_the_process_ends_at_sigterm_with_its_summary() -> None:
    server = Scripted(GOOD)
    async with listening(server):
        environment = {**os.environ, "SAMPLER_PROBE_TARGET": server.target, "SAMPLER_PROBE_RATE": "50"}
        command = (sys.executable, "-m", "samplerd", "probe", "--json")
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
        async with asyncio.timeout(30):
            await server.has(3)
            process.send_signal(signal.SIGTERM)
            said, _ = await process.communicate()
    line = json.loads(said)["targets"][server.target]
    assert process.returncode == 0
    assert line["sent"] == line["answered"] == len(server.asked)


async def test_what_was_judged_is_in_both_summaries_and_only_where_it_was_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = Scripted(saying(200, json.dumps({"choices": [{"message": {"content": "слово"}}]})))

    async def printed(*, judge: bool, as_json: bool) -> str:
        target = f"cpu-a/0f3c={server.target}"
        settings = ProbeSettings(target=(target,), judge=judge, rate=50, duration=0.3)
        assert await run._run(settings, as_json=as_json) == 0
        return capsys.readouterr().out

    async with listening(server):
        text = await printed(judge=True, as_json=False)
        said = json.loads(await printed(judge=True, as_json=True))
        plain = json.loads(await printed(judge=False, as_json=True))
    rows = {line.split()[1]: line.split() for line in text.splitlines() if line.startswith("cpu-a/0f3c ")}
    owner, _, checked, bad = rows["probe-script"]
    assert (owner, int(checked) > 0, bad) == ("cpu-a/0f3c", True, checked)
    assert list(rows) == list(names.PROBE_CHECKS)
    assert "JUDGED" in text
    judged = {one["check"]: one for one in said["judged"]}
    errors = judged["probe-errors"]
    sent = said["targets"][f"cpu-a/0f3c={server.target}"]["answered"]
    assert errors == {"pool": "cpu-a", "revision": "0f3c", "check": "probe-errors", "checked": sent, "bad": 0}
    assert judged["probe-script"]["bad"] == sent
    assert "judged" not in plain


@pytest.mark.parametrize("text", ["http://a", "a/b", "a:b", "a:70000", "", ":9090", "a b", "::1", "u@a"])
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no target"):
        address_of(text)


def test_targets() -> None:
    assert address_of("10.0.0.1") == ("10.0.0.1", 9090)
    assert address_of("chat-x.team.svc:80") == ("chat-x.team.svc", 80)
    assert address_of("[fd00::1]:9") == ("fd00::1", 9)
    assert ProbeSettings(target=("a,b", "a", "c:1")).target == ("a", "b", "c:1")
