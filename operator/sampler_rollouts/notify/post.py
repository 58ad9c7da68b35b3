"""One POST to an address that may be slow, dead or hostile: it has a deadline, goes where it was meant, or nowhere.

No proxy, no redirect, no credentials of the environment; nothing of the answer is read but its status and
``Retry-After``. The address is looked at after it was resolved, and connected to as it was looked at.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult

from sampler_rollouts.domain.settings import is_own
from sampler_rollouts.wire import address_of, cut_at, is_nobodys

CONNECT_SECONDS: Final = 5.0
LONGEST_PAUSE: Final = 3600.0
"""Seconds that a receiver may ask us to wait."""
AGAIN: Final = frozenset({408, 425, 429})
"""Answers below 500 after which the same request may do well soon."""
Resolve = Callable[..., list[Any]]


class NotTakenError(Exception):
    """A receiver did not take it. The text is our own: no address, no word of the answer.

    ``hopeless``: the same will hardly do better soon. ``pause``: seconds that the receiver asks us to wait.
    """

    def __init__(self, why: str, *, hopeless: bool = False, pause: float = 0.0) -> None:
        super().__init__(why)
        self.why = why
        self.hopeless = hopeless
        self.pause = pause


def post(
    target: SplitResult,
    headers: Mapping[str, str],
    body: bytes,
    *,
    seconds: float,
    ca_file: Path | None = None,
    resolve: Resolve = socket.getaddrinfo,
) -> None:
    """Send ``body``; return once it was taken (2xx). NotTakenError if it was not within ``seconds``.

    Resolving the name may take longer: it has the system's own limits.
    """
    end = time.monotonic() + seconds
    sock = _connect(target, end, ca_file, resolve)
    try:
        with cut_at(end, sock):
            _shake_hands(sock)
            status, pause = _exchange(sock, target, headers, body)
    except (OSError, http.client.HTTPException) as error:
        raise NotTakenError(_why(error, end)) from None
    finally:
        sock.close()
    _judge(status, pause)


def reach(
    target: SplitResult, *, seconds: float, ca_file: Path | None = None, resolve: Resolve = socket.getaddrinfo
) -> None:
    """Connect as ``post`` would, and send nothing. NotTakenError if that fails."""
    end = time.monotonic() + seconds
    sock = _connect(target, end, ca_file, resolve)
    try:
        with cut_at(end, sock):
            _shake_hands(sock)
    except OSError as error:
        raise NotTakenError(_why(error, end)) from None
    finally:
        sock.close()


def _connect(target: SplitResult, end: float, ca_file: Path | None, resolve: Resolve) -> socket.socket:
    host = target.hostname or ""
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        context = ssl.create_default_context(cafile=ca_file) if target.scheme == "https" else None
    except (OSError, ssl.SSLError):
        raise NotTakenError("the CA file cannot be read", hopeless=True) from None
    sock = _dial(_addresses(host, port, resolve), port, end)
    if context is None:
        return sock
    try:
        return context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    except (OSError, ValueError):
        sock.close()
        raise NotTakenError("no TLS connection to a host of this name", hopeless=True) from None


def _addresses(host: str, port: int, resolve: Resolve) -> list[str]:
    """All addresses of a host, or none: a name that also means an address that is not meant is not used."""
    try:
        found = [str(one[4][0]) for one in resolve(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        raise NotTakenError("its name cannot be resolved") from None
    for text in found:
        address = address_of(text)
        if is_nobodys(address) or (address.is_loopback and not is_own(host)):
            raise NotTakenError("its address is none that may be called", hopeless=True)
    return found


def _dial(addresses: list[str], port: int, end: float) -> socket.socket:
    for address in addresses:
        left = end - time.monotonic()
        if left <= 0:
            break
        try:
            return socket.create_connection((address, port), timeout=min(CONNECT_SECONDS, left))
        except OSError:
            continue
    raise NotTakenError("no connection to it")


def _shake_hands(sock: socket.socket) -> None:
    if isinstance(sock, ssl.SSLSocket):
        sock.do_handshake()


def _exchange(
    sock: socket.socket, target: SplitResult, headers: Mapping[str, str], body: bytes
) -> tuple[int, str | None]:
    connection = http.client.HTTPConnection("receiver.invalid")  # never resolved: the connection is there
    connection.sock = sock
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    connection.request("POST", path, body, {"Host": target.netloc, "Connection": "close", **headers})
    response = connection.getresponse()
    return response.status, response.getheader("Retry-After")


def _judge(status: int, pause: str | None) -> None:
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise NotTakenError("it redirects: configure its final address", hopeless=True)
    hopeless = status < 500 and status not in AGAIN
    raise NotTakenError(f"it answers HTTP {status}", hopeless=hopeless, pause=_seconds(pause))


def _seconds(pause: str | None) -> float:
    """``Retry-After`` as seconds; a date, or anything else, asks for nothing."""
    text = (pause or "").strip()
    return min(LONGEST_PAUSE, float(text)) if text.isascii() and text.isdigit() else 0.0


def _why(error: Exception, end: float) -> str:
    if time.monotonic() >= end or isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, ssl.SSLError):
        return "no trustworthy TLS connection: check caFile and the address"
    if isinstance(error, OSError):
        return "the connection broke off"
    return "its answer broke off or is not HTTP"
