"""A server for connections of one short request each, that nobody can keep busy: what probes and scrapes need."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

SECONDS: Final = 20.0
"""For a connection, from its first moment to its end: request, answer, and the client's reading of it."""
MOST: Final = 64
"""Connections at once."""
HEAD_FIELDS: Final = 64
"""The most headers of a request; aiohttp bounds each (8 KiB)."""


class OneRequestServer(web.Server):
    """Ends each connection after an answer, after ``seconds`` at the latest, and the oldest where there are too many.

    The oldest, and not the newest: whoever opens connections only to hold them must not keep the kubelet's probe out,
    or he would have the operator restarted. Those that have asked for nothing yet come first: a scrape takes a while.
    """

    seconds = SECONDS
    most = MOST

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        async def last(request: web.BaseRequest) -> web.StreamResponse:
            connection = request.protocol
            if isinstance(connection, _Connection) and connection in self._silent:
                del self._silent[connection]
                self._asking[connection] = None
            answer = await handler(request)
            answer.force_close()
            return answer

        super().__init__(last, access_log=None, max_headers=HEAD_FIELDS, lingering_time=0)
        # The oldest first.
        self._silent: dict[_Connection, None] = {}
        self._asking: dict[_Connection, None] = {}

    def __call__(self) -> web.RequestHandler:
        """A connection."""
        return _Connection(self, loop=asyncio.get_running_loop(), **self._kwargs)

    def begin(self, connection: _Connection) -> asyncio.TimerHandle:
        """Take it in; gives what will end it."""
        if len(self._silent) + len(self._asking) >= self.most:
            oldest = next(iter(self._silent or self._asking))
            self.end(oldest)
            oldest.abort()
        self._silent[connection] = None
        return asyncio.get_running_loop().call_later(self.seconds, connection.abort)

    def end(self, connection: _Connection) -> None:
        """It is no more."""
        self._silent.pop(connection, None)
        self._asking.pop(connection, None)


class _Connection(web.RequestHandler):
    """One connection of such a server."""

    __slots__ = ("_late", "_owner", "_wire")

    def __init__(self, owner: OneRequestServer, **settings: Any) -> None:
        super().__init__(owner, **settings)
        self._owner = owner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._wire = transport
        self._late = self._owner.begin(self)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._late.cancel()
        self._owner.end(self)
        super().connection_lost(exc)

    def abort(self) -> None:
        """At once: who does not read would keep an orderly end waiting."""
        self._wire.abort()
