"""One request that was taken on, from its tokens to its end. Ends exactly once, however it ends.

It may have several answers, its choices: it is complete when all of them are, and the failure of one is its own.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Self

from starlette.requests import Request

from samplerd.accounting import Outcome, RequestRecord
from samplerd.engine import Engine, EngineStoppedError, QueueFullError
from samplerd.generation import Ask, Event, Failed, Finished, Generation, Piece
from samplerd.openai_errors import ApiError

NO_TEXTS: Mapping[int, str] = {}


class ClientGoneError(Exception):
    """The client closed the connection before its answer was complete, or would not take it in time."""


class TimedOutError(ApiError):
    """The request took longer than the server allows."""

    def __init__(self, limit: float) -> None:
        super().__init__(504, f"the answer took longer than {limit:g} seconds", code="timeout")


class _Gone:
    """The client is gone; stands in the queue of events."""


class Exchange:
    """A context manager: whatever leaves the block decides how the request is counted, and frees its slots."""

    def __init__(self, engine: Engine, asks: Sequence[Ask], time_limit: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[tuple[int, Event] | _Gone] = asyncio.Queue()
        self._time_limit = time_limit
        self._deadline = self._loop.time() + time_limit
        self._record: RequestRecord | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._unfinished = set(range(len(asks)))
        self._gone = False
        self._shown: dict[int, str] = {}
        self.generations = [
            Generation(ask, engine.model.tokenizer, partial(self._emit, index)) for index, ask in enumerate(asks)
        ]
        try:
            engine.submit(*self.generations)
        except QueueFullError:
            raise ApiError(429, "too many requests are waiting", code="queue_full") from None
        except EngineStoppedError:
            raise ApiError(503, "the server is shutting down", code="shutting_down") from None

    def _emit(self, index: int, event: Event) -> None:
        """Called from the engine's thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._events.put_nowait, (index, event))

    def follow(self, request: Request, record: RequestRecord) -> Self:
        """Count in `record`, and notice when the client of `request` (whose body was read) goes away."""
        self._record = record
        self._watcher = self._loop.create_task(self._watch(request))
        return self

    async def _watch(self, request: Request) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._events.put_nowait(_Gone())

    async def hand(self, sending: Awaitable[None], texts: Mapping[int, str] = NO_TEXTS) -> None:
        """Hand a message to the transport; its texts, by choice, count as shown if the client was there for them.

        Raises ClientGoneError if the client does not take it before the time limit: then not the server was slow.
        """
        try:
            async with asyncio.timeout_at(self._deadline):
                await sending
        except TimeoutError:
            raise ClientGoneError from None
        # What is meant for a client that has gone is dropped without a word; the watcher hears of it in its next turn.
        await asyncio.sleep(0)
        if not self._gone:
            for index, text in texts.items():
                self._shown[index] = self._shown.get(index, "") + text

    async def events(self) -> AsyncIterator[tuple[int, Piece | Finished]]:
        """Pieces of each choice, then its end. Raises ClientGoneError, or ApiError for a failure or the time limit.

        In the order in which they came: a failure that waits when the client goes still ends the request.
        """
        while self._unfinished:
            arrived = await self._next()
            if isinstance(arrived, _Gone):
                raise ClientGoneError
            index, event = arrived
            if isinstance(event, Failed):
                raise ApiError(500, event.message, code="engine_error")
            if isinstance(event, Finished):
                self._unfinished.discard(index)
            yield index, event

    async def _next(self) -> tuple[int, Event] | _Gone:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._events.get()
        except TimeoutError:
            raise TimedOutError(self._time_limit) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for generation in self.generations:
            generation.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if self._record is not None:
            self._record.end(self._outcome(error), self.generations, list(self._shown.values()))

    def _outcome(self, error: BaseException | None) -> Outcome:
        if not self._unfinished and not isinstance(error, Exception):
            return Outcome.DISCONNECTED if self._gone else Outcome.COMPLETED
        if isinstance(error, ClientGoneError):
            return Outcome.DISCONNECTED
        return Outcome.TIMED_OUT if isinstance(error, TimedOutError) else Outcome.FAILED
