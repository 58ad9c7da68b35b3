"""Load on a sampler's API: a closed loop of workers, one connection and one request a session.

Used by the demo and by the end-to-end tests::

    with LoadGenerator("http://10.96.3.4", model="smollm2-135m", workers=8) as load:
        ...
        load.tally.fingerprints()
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import httpx

from local.demo import tally as outcomes
from local.demo.answers import Answer, AnswerBook
from local.demo.ask import PATHS, Api, Ask, AskSource, Reply
from local.demo.prompts import load_prompts
from local.demo.tally import Record, Tally

# A client that is told to come back later does so this often before it counts as turned away.
MOST_RETRIES = 20
# After a failure a worker waits a little: a service without endpoints refuses thousands of connections a second.
PAUSE_AFTER_FAILURE = 0.2
_NEVER_RETRY_BEFORE, _NEVER_RETRY_AFTER = 0.1, 10.0


class LoadGenerator:
    """Asks without a pause until it is stopped, and never dies of what a server does.

    ``url`` is the Service's address; ``api`` says which endpoint is asked. ``workers`` bounds the requests in flight.
    It runs in a thread of its own; ``tally`` and ``answers`` may be read at any time.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str,
        workers: int = 8,
        api: Api = "chat",
        prompts: Sequence[str] | None = None,
        max_tokens: int = 12,
        top_k: int = 40,
        top_k_share: float = 0.5,
        timeout: float = 60.0,
        random_seed: int | None = None,
        long_share: float = 0.0,
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers: at least 1 is needed, not {workers}")
        self.tally = Tally()
        self.answers = AnswerBook()
        self._url = url.rstrip("/") + PATHS[api]
        self._api: Api = api
        self._model = model
        self._workers = workers
        self._timeout = timeout
        self._phase = ""
        rng = random.Random(random_seed)
        self._source = AskSource(
            prompts or load_prompts(),
            max_tokens=max_tokens,
            top_k=top_k,
            top_k_share=top_k_share,
            rng=rng,
            long_share=long_share,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    @property
    def phase(self) -> str:
        """The name that records get from now on."""
        return self._phase

    @phase.setter
    def phase(self, name: str) -> None:
        self._phase = name

    def start(self) -> None:
        """Begin to ask, in a thread."""
        if self._thread is not None:
            raise RuntimeError("the load generator runs already")
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="load", daemon=True)
        self._thread.start()
        started.wait(timeout=10)

    def stop(self, timeout: float = 15.0) -> None:
        """Let the requests in flight end, for at most ``timeout`` seconds."""
        thread, self._thread = self._thread, None
        if thread is None or self._loop is None or self._stopping is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join(timeout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def ask_once(self, ask: Ask) -> Answer:
        """Ask from the calling thread, outside the tally. Raises httpx.HTTPError when no good answer comes."""
        with httpx.Client(timeout=self._timeout, trust_env=False) as client:
            headers = {**ask.headers(), "connection": "close"}
            answer = client.post(self._url, json=ask.body(self._model, self._api), headers=headers)
            answer.raise_for_status()
            reply = Reply.parse(answer.json())
        return Answer(ask=ask, text=reply.text, fingerprint=reply.fingerprint, at=time.time())

    def _run(self, started: threading.Event) -> None:
        asyncio.run(self._main(started))

    async def _main(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        started.set()
        # No keep-alive: kube-proxy chooses a pod for a connection, not for a request.
        limits = httpx.Limits(max_keepalive_connections=0)
        # Proxies of the environment are not for addresses inside the cluster.
        async with httpx.AsyncClient(limits=limits, timeout=self._timeout, trust_env=False) as client:
            await asyncio.gather(*(self._worker(client, self._stopping) for _ in range(self._workers)))

    async def _worker(self, client: httpx.AsyncClient, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            record = await self._one(client, self._source.next(), stopping)
            self.tally.add(record)
            if record.outcome != outcomes.OK:
                await _sleep(PAUSE_AFTER_FAILURE, stopping)

    async def _one(self, client: httpx.AsyncClient, ask: Ask, stopping: asyncio.Event) -> Record:
        attempt = _Attempt(phase=self._phase, context_class=ask.context_class)
        while True:
            try:
                answer = await client.post(self._url, json=ask.body(self._model, self._api), headers=ask.headers())
            except Exception as error:  # whatever it is, it is the request's fate and not the generator's end
                return attempt.ended(_outcome_of(error), detail=f"{type(error).__name__}: {error}")
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                return self._judge(attempt, ask, answer)
            attempt.throttled += 1
            if attempt.throttled > MOST_RETRIES or stopping.is_set():
                return attempt.ended(outcomes.THROTTLED)
            await _sleep(retry_after(answer.headers.get("retry-after")), stopping)

    def _judge(self, attempt: _Attempt, ask: Ask, answer: httpx.Response) -> Record:
        if answer.status_code >= 500:
            return attempt.ended(outcomes.SERVER_ERROR, detail=_said(answer))
        if answer.status_code >= 400:
            return attempt.ended(outcomes.REJECTED, detail=_said(answer))
        try:
            reply = Reply.parse(answer.json())
        except (ValueError, KeyError, IndexError, TypeError) as error:
            return attempt.ended(outcomes.CUT_OFF, detail=f"no answer in the body: {type(error).__name__}")
        self.answers.add(Answer(ask=ask, text=reply.text, fingerprint=reply.fingerprint, at=time.time()))
        return attempt.ended(outcomes.OK, fingerprint=reply.fingerprint, tokens=reply.tokens)


def _said(answer: httpx.Response) -> str:
    """The status, and the code of the API's error if there is one: ``HTTP 503 starting``."""
    try:
        code = answer.json()["error"]["code"]
    except (ValueError, KeyError, TypeError):
        code = None
    return f"HTTP {answer.status_code} {code}" if isinstance(code, str) else f"HTTP {answer.status_code}"


class _Attempt:
    """A request under way."""

    def __init__(self, phase: str, context_class: str) -> None:
        self.phase = phase
        self.context_class = context_class
        self.at = time.time()
        self.throttled = 0
        self._began = time.monotonic()

    def ended(self, outcome: str, *, fingerprint: str = "", tokens: int = 0, detail: str = "") -> Record:
        seconds = time.monotonic() - self._began
        return Record(
            at=self.at,
            seconds=seconds,
            phase=self.phase,
            outcome=outcome,
            fingerprint=fingerprint,
            tokens=tokens,
            throttled=self.throttled,
            detail=detail,
            context_class=self.context_class,
        )


def retry_after(header: str | None) -> float:
    """Seconds to wait before asking again. A missing or odd header means one second."""
    try:
        seconds = float(header) if header is not None else 1.0
    except ValueError:
        seconds = 1.0
    return min(max(seconds, _NEVER_RETRY_BEFORE), _NEVER_RETRY_AFTER)


def _outcome_of(error: Exception) -> str:
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return outcomes.UNREACHABLE
    if isinstance(error, httpx.TimeoutException):
        return outcomes.TIMED_OUT
    return outcomes.CUT_OFF


async def _sleep(seconds: float, stopping: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), timeout=seconds)
