"""One GET to a pod that may be slow, dead or hostile: it has a deadline, a size limit, and no redirect is followed."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass
from typing import Final

from sampler_rollouts.wire import address_of, cut_at, is_nobodys

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
        with cut_at(end, connection.sock):
            answer = _exchange(connection, path, most)
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswerError(_why(error, end)) from None
    finally:
        connection.close()
    if len(answer.body) > most:
        raise NoAnswerError(f"its answer is larger than {most >> 10} KiB")
    return answer


def pod_address(text: str) -> str:
    """The address of a pod as the API server tells it. NoAnswerError for one that cannot be a pod's: loopback,
    link-local, multicast and clouds' metadata are not asked, whoever wrote them.
    """
    try:
        address = address_of(text)
    except ValueError:
        raise NoAnswerError("it has no proper address") from None
    if address.is_loopback or is_nobodys(address):
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
