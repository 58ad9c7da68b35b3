"""One GET to a pod that may be slow, dead or hostile: it has a deadline, a size limit, and no redirect is followed."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

CONNECT_SECONDS: Final = 2.0


class NoAnswerError(Exception):
    """The pod gave no complete answer; the text is the operator's own, without a word of the pod's."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body, as they came."""

    status: int
    body: bytes


def fetch(address: str, port: int, path: str, *, seconds: float, most: int) -> Answer:
    """``GET http://address:port/path``. NoAnswerError if it takes more than ``seconds``, breaks off, or has more bytes
    than ``most``.
    """
    end = time.monotonic() + seconds
    connection = http.client.HTTPConnection(address, port, timeout=min(CONNECT_SECONDS, seconds))
    try:
        connection.connect()
        with _cut_at(end, connection.sock):
            answer = _exchange(connection, path, most)
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswerError(_why(error, end)) from None
    finally:
        connection.close()
    if time.monotonic() >= end:  # the end of a body without a length may be our own cut
        raise NoAnswerError("it did not answer in time")
    if len(answer.body) > most:
        raise NoAnswerError(f"its answer is larger than {most >> 10} KiB")
    return answer


def pod_address(text: str) -> str:
    """The address of a pod as the API server tells it. NoAnswerError for one that cannot be a pod's: loopback,
    link-local and multicast are not asked, whoever wrote them.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise NoAnswerError("it has no proper address") from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        raise NoAnswerError("its address is none of a pod")
    return str(address)


def _exchange(connection: http.client.HTTPConnection, path: str, most: int) -> Answer:
    connection.request("GET", path, headers={"Accept": "application/json", "Connection": "close"})
    response = connection.getresponse()
    return Answer(response.status, response.read(most + 1))


def _why(error: Exception, end: float) -> str:
    if time.monotonic() >= end or isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, OSError):
        return "no connection to its metrics port"
    return "its answer broke off or is not HTTP"


@contextlib.contextmanager
def _cut_at(end: float, sock: socket.socket) -> Iterator[None]:
    """Timeouts of a socket bound each read, not their sum: a server that drips is cut off at the end."""
    sock.settimeout(max(0.001, end - time.monotonic()))
    timer = threading.Timer(max(0.0, end - time.monotonic()), _cut, [sock])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # gone already
        sock.shutdown(socket.SHUT_RDWR)
