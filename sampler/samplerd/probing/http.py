"""One exchange over HTTP/1.1: a connection of its own, a time limit, no redirect, no more than so much of an answer."""

import asyncio
import contextlib
from dataclasses import dataclass, replace

import h11

PATH = "/v1/chat/completions"
LARGEST_ANSWER = 1 << 20
_CHUNK = 1 << 14


class ExchangeError(Exception):
    """There was no whole answer; the text is the outcome: ``unreachable`` or ``broken``."""


@dataclass(frozen=True)
class Answer:
    """What came: the status, for how many seconds the server wants no other request, and the body."""

    status: int
    retry_after: float | None = None
    body: bytes = b""


async def post(host: str, port: int, body: bytes, *, connect_timeout: float) -> Answer:
    """Ask, and read the answer to its end. Raises ExchangeError. Cancelled, it closes the connection."""
    try:
        async with asyncio.timeout(connect_timeout):
            reader, writer = await asyncio.open_connection(host, port)
    except OSError:  # TimeoutError is one
        raise ExchangeError("unreachable") from None
    try:
        return await _exchange(reader, writer, host, body)
    except (OSError, h11.ProtocolError):
        raise ExchangeError("broken") from None
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, body: bytes) -> Answer:
    connection = h11.Connection(h11.CLIENT)
    headers = [
        ("Host", f"[{host}]" if ":" in host else host),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    request = connection.send(h11.Request(method="POST", target=PATH, headers=headers)) or b""
    writer.write(request + (connection.send(h11.Data(data=body)) or b""))
    connection.send(h11.EndOfMessage())
    await writer.drain()
    answer, received = Answer(0), bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Response):
            answer = Answer(event.status_code, _retry_after(event))
        elif isinstance(event, h11.Data):
            received += event.data
            if len(received) > LARGEST_ANSWER:
                raise ExchangeError("broken")
        elif isinstance(event, h11.EndOfMessage):
            return replace(answer, body=bytes(received))
        elif not isinstance(event, h11.InformationalResponse):
            raise ExchangeError("broken")


def _retry_after(response: h11.Response) -> float | None:
    text = next((value for name, value in response.headers if name == b"retry-after"), b"")
    return float(text) if text.isdigit() and len(text) < 6 else None
