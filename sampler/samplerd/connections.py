"""Connections that cost something: whoever never ends a request's head, or takes nothing of an answer, is let go."""

import asyncio
import socket
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS: Final = 20.0
"""For a request's line and headers, from the first byte, or from the connection on; bodies and answers have limits of
their own."""
HEAD_BYTES: Final = 32 << 10
"""The longest head. What is longer is answered by 400 and closed."""


def bound_writes(listening: socket.socket, seconds: float) -> None:
    """End each connection accepted here of which the other side takes nothing for so long, though there is something.

    By the kernel, which alone knows how much is still to be taken, also once this process has closed the connection and
    forgotten it. Accepted sockets inherit it. (A window that stays shut counts since Linux 5.11.)
    """
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, max(1, round(seconds * 1000)))


class BoundedHeads(H11Protocol):
    """uvicorn's protocol, which by itself waits for the end of a request's head for ever."""

    head_seconds = HEAD_SECONDS
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more will come."""
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """The time runs on while more of the same head comes."""
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self._late is None:
            self._late = self.loop.call_later(self.head_seconds, self.transport.close)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
