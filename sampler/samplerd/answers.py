"""Sends an answer while its tokens come, and ends its exchange only when the transport has taken the text.

Every way out of an exchange is counted there; what is sent after it (an error, the token counts) changes nothing.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from samplerd.exchange import ClientGoneError, Exchange
from samplerd.generation import Finished, Piece
from samplerd.openai_errors import ApiError, internal_error
from samplerd.openai_format import SSE_DONE, AnswerForm, sse, usage


class Answer(Response):
    """One exchange on its way to the client."""

    def __init__(self, exchange: Exchange, form: AnswerForm) -> None:
        super().__init__()
        self._exchange = exchange
        self._form = form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or the error that ends it."""
        try:
            with self._exchange:
                await self._send(send)
        except ClientGoneError:
            return
        except ApiError as error:
            await self._send_error(error, scope, receive, send)
        except Exception as error:
            await self._send_error(internal_error(error), scope, receive, send)
        else:
            await self._send_end(send)

    @abstractmethod
    async def _send(self, send: Send) -> None:
        """Hand over everything that counts as the answer."""

    @abstractmethod
    async def _send_error(self, error: ApiError, scope: Scope, receive: Receive, send: Send) -> None: ...

    async def _send_end(self, send: Send) -> None:
        await send(_body(b"", more=False))

    @property
    def _usage(self) -> dict[str, int]:
        generation = self._exchange.generation
        return usage(len(generation.ask.prompt), len(generation.tokens))

    def _logprobs(self, pieces: Sequence[Piece]) -> dict[str, Any] | None:
        """None if they were not asked for."""
        generation = self._exchange.generation
        if generation.ask.top_logprobs is None:
            return None
        return self._form.logprobs([piece.logprobs for piece in pieces if piece.logprobs], generation.tokenizer)


class WholeAnswer(Answer):
    """One JSON object, when the last token is there. Until then an error may still have its own status."""

    async def _send(self, send: Send) -> None:
        pieces: list[Piece] = []
        reason = ""
        async for event in self._exchange.events():
            if isinstance(event, Finished):
                reason = event.reason
            else:
                pieces.append(event)
        text = "".join(piece.text for piece in pieces)
        answer = JSONResponse(self._form.whole(text, reason, self._usage, self._logprobs(pieces)))
        await self._exchange.hand(send(_head(answer)))
        # Not yet as the last message: after that one, the HTTP server calls every client gone.
        await self._exchange.hand(send(_body(bytes(answer.body), more=True)), text)

    async def _send_error(self, error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
        await error.response()(scope, receive, send)


class StreamedAnswer(Answer):
    """Events, each sent at once."""

    media_type = "text/event-stream"

    def __init__(self, exchange: Exchange, form: AnswerForm, *, with_usage: bool) -> None:
        super().__init__(exchange, form)
        self._with_usage = with_usage
        self.headers["cache-control"] = "no-store"
        del self.headers["content-length"]

    async def _send(self, send: Send) -> None:
        await self._exchange.hand(send(_head(self)))
        first = True
        async for event in self._exchange.events():
            text = event.text if isinstance(event, Piece) else ""
            await self._exchange.hand(send(_body(sse(self._piece(event, first=first)), more=True)), text)
            first = False

    def _piece(self, event: Piece | Finished, *, first: bool) -> dict[str, Any]:
        if isinstance(event, Finished):
            return self._form.piece("", event.reason)
        return self._form.piece(event.text, first=first, logprobs=self._logprobs([event]))

    async def _send_error(self, error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await send(_body(sse(error.body()), more=False))

    async def _send_end(self, send: Send) -> None:
        counts = sse(self._form.counts(self._usage)) if self._with_usage else b""
        await send(_body(counts + SSE_DONE, more=False))


def _head(response: Response) -> Message:
    return {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}


def _body(data: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}
