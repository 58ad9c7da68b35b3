"""Deadlines that hold whatever the other side does: a server that drips one byte a second, too."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from sampler_rollouts.metrics.envelope import SourceProblem


class Deadline:
    """One point in time for a whole exchange. Timeouts of ``requests`` bound each read, not their sum."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left; raises SourceProblem when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise SourceProblem("SourceTimeout", "the source did not answer in time")
        return left


class _Cutter:
    """Cuts the sockets of one exchange when its time is up, whatever they are waiting for.

    The sockets, not the connections: ``http.client`` forgets the socket of an answer that ends with the connection.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()

    def add(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.append(sock)

    def cut(self) -> None:
        """Wake the reader with an end of file."""
        with self._lock:
            for sock in self._sockets:
                with contextlib.suppress(OSError):  # gone already
                    sock.shutdown(socket.SHUT_RDWR)


_current = threading.local()


@contextlib.contextmanager
def cutting(deadline: Deadline) -> Iterator[None]:
    """Connections that this thread uses inside are cut at the deadline."""
    cutter = _Cutter()
    timer = threading.Timer(deadline.left(), cutter.cut)
    timer.daemon = True
    timer.start()
    _current.cutter = cutter
    try:
        yield
    finally:
        _current.cutter = None
        timer.cancel()


class _WatchedConnection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _watch(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _watch(self.sock)
        super().request(*args, **kwargs)


class _WatchedSecureConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()  # the handshake as a whole has the connect timeout
        _watch(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _watch(self.sock)
        super().request(*args, **kwargs)


def _watch(sock: socket.socket | None) -> None:
    cutter: _Cutter | None = getattr(_current, "cutter", None)
    if cutter is not None and sock is not None:
        cutter.add(sock)


class _WatchedPool(HTTPConnectionPool):
    ConnectionCls = _WatchedConnection


class _WatchedSecurePool(HTTPSConnectionPool):
    ConnectionCls = _WatchedSecureConnection


class WatchedAdapter(HTTPAdapter):
    """Never retries by itself; its connections can be cut."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make pools of watched connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _WatchedPool, "https": _WatchedSecurePool}
