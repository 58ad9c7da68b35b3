"""A queue of keys: each waits at most once, is worked on by one worker at a time, and can be due later.

Watch events, resyncs and requeues all end here, so that a reconcile never learns why it was called.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import heapq
import itertools
import random
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

BASE_DELAY: Final = 0.5
LONG: Final = 20.0
"""Seconds from which on it matters little when exactly somebody comes back."""
MAX_DELAY: Final = 12.0
"""A few looks of a rollout under way: after an outage of the API server an abort is not to be seen much later (R7)."""


class WorkQueue(Generic[Key]):
    """Not safe to share between threads: other threads go through the loop's ``call_soon_threadsafe``."""

    def __init__(
        self,
        clock: Callable[[], float],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._ready: dict[Key, None] = {}
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = itertools.count()
        self._working: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ready) + len(self._due)

    @property
    def working(self) -> int:
        """How many keys are being worked on."""
        return len(self._working)

    def add(self, key: Key) -> None:
        """Work on the key as soon as possible; if it is being worked on, once more afterwards.

        A key that fails is not hurried below the base delay: what it wrote before it failed comes back as an event.
        """
        if key in self._failures and key not in self._working:
            self._wait_for(key, BASE_DELAY)
        else:
            self._make_ready(key)

    def _make_ready(self, key: Key) -> None:
        self._due.pop(key, None)
        if key in self._working:
            self._again.add(key)
        else:
            self._ready[key] = None
            self._changed.set()

    def add_later(self, key: Key, delay: float) -> None:
        """Work on the key after ``delay`` seconds, or sooner if it was due sooner."""
        if delay <= 0:
            self.add(key)
        else:
            self._wait_for(key, delay if delay < LONG else self._in_turn(key, delay))

    def _in_turn(self, key: Key, delay: float) -> float:
        """A little sooner, at a moment of the key's own: what has come at once is not to come at once for ever.

        Moments are half the delay apart, so that who comes back after the same delay each time does so.
        """
        grid, digest = delay / 2, hashlib.blake2b(repr(key).encode(), digest_size=4).digest()
        return delay - (self._clock() + delay - grid * int.from_bytes(digest) / 2**32) % grid

    def within(self, key: Key, seconds: float) -> None:
        """Work on the key in that time, at a moment by chance, so that not all come at once; at once if it is new."""
        due = self._due.get(key)
        if due is None:
            if key not in self._working:
                self.add(key)
        elif due > self._clock() + seconds:
            self._wait_for(key, seconds * self._jitter())

    def _wait_for(self, key: Key, delay: float) -> None:
        due = self._clock() + delay
        if key in self._ready or self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._order), key))
        self._changed.set()

    async def get(self) -> Key:
        """The next key; ``done``, ``failed`` or ``forget`` must follow."""
        while True:
            self._promote()
            if self._ready:
                key = next(iter(self._ready))
                del self._ready[key]
                self._working.add(key)
                return key
            await self._wait()

    def done(self, key: Key, requeue_after: float | None = None) -> None:
        """The work succeeded; the key comes back by itself after ``requeue_after`` seconds."""
        self._failures.pop(key, None)
        self._finish(key, requeue_after)

    def failed(self, key: Key, at_least: float | None = None) -> float:
        """The work failed: the key comes back later and later, with jitter, so that many do not come at once.

        ``at_least`` is the server's own wish, granted up to the longest delay. The delay is returned.
        """
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(MAX_DELAY, BASE_DELAY * 2.0 ** min(failures - 1, 16))
        delay = max(min(at_least or 0.0, MAX_DELAY), delay * (0.5 + 0.5 * self._jitter()))
        self._again.discard(key)
        self._finish(key, delay)
        return delay

    def forget(self, key: Key) -> None:
        """The object is gone; nothing comes back by itself."""
        self._failures.pop(key, None)
        self._finish(key, None)

    def next_due(self) -> float | None:
        """Seconds until a key is due; 0 if one is ready; None if nothing waits."""
        if self._ready:
            return 0.0
        return max(0.0, min(self._due.values()) - self._clock()) if self._due else None

    def _finish(self, key: Key, requeue_after: float | None) -> None:
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)
        elif requeue_after is not None:
            self.add_later(key, requeue_after)

    def _promote(self) -> None:
        """Move what has become due. A heap entry whose time differs from ``_due`` was overtaken."""
        while self._heap and self._heap[0][0] <= self._clock():
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                self._make_ready(key)

    async def _wait(self) -> None:
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            # Not wait_for: before Python 3.12 it loses a cancellation that meets the event, and the loop never ended.
            async with asyncio.timeout(self.next_due()):
                await self._changed.wait()
