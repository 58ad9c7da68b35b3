"""Room for so many at once, and a way to know before one begins that too many wait already."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Room:
    """First come, first served. Of one event loop."""

    def __init__(self, places: int) -> None:
        self._most = places
        self._places = asyncio.Semaphore(places)
        self._waiting = 0
        self._calm = asyncio.Event()
        self._calm.set()

    async def calm(self) -> None:
        """While as many wait as there are places: to begin with another would only have it wait as well."""
        await self._calm.wait()

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and keep it until the end."""
        self._wait(1)
        try:
            await self._places.acquire()
        finally:
            self._wait(-1)
        try:
            yield
        finally:
            self._places.release()

    def _wait(self, more: int) -> None:
        self._waiting += more
        if self._waiting < self._most:
            self._calm.set()
        else:
            self._calm.clear()
