"""Sends an answer while its tokens come, and ends its exchange only when the transport has taken the text.

Every way out of an exchange is counted there; what is sent after it (an error, the token counts) changes nothing.
"""

from abc import abstractmethod
from collections import defaultdict
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
        """The prompt counts once, however many answers it has."""
        generations = self._exchange.generations
        return usage(len(generations[0].ask.prompt), sum(len(one.tokens) for one in generations))

    def _logprobs(self, index: int, pieces: Sequence[Piece]) -> dict[str, Any] | None:
        """None if they were not asked for."""
        generation = self._exchange.generations[index]
        if generation.ask.top_logprobs is None:
            return None
        return self._form.logprobs(index, [piece.logprobs for piece in pieces if piece.logprobs], generation.tokenizer)


class WholeAnswer(Answer):
    """One JSON object, when the last token is there. Until then an error may still have its own status."""

    async def _send(self, send: Send) -> None:
        pieces: defaultdict[int, list[Piece]] = defaultdict(list)
        reasons: dict[int, str] = {}
        async for index, event in self._exchange.events():
            if isinstance(event, Finished):
                reasons[index] = event.reason
            else:
                pieces[index].append(event)
        texts = {index: "".join(piece.text for piece in pieces[index]) for index in sorted(reasons)}
        choices = [
            self._form.choice(index, text, reasons[index], self._logprobs(index, pieces[index]))
            for index, text in texts.items()
        ]
        answer = JSONResponse(self._form.whole(choices, self._usage))
        await self._exchange.hand(send(_head(answer)))
        # Not yet as the last message: after that one, the HTTP server calls every client gone.
        await self._exchange.hand(send(_body(bytes(answer.body), more=True)), texts)

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
        begun: set[int] = set()
        async for index, event in self._exchange.events():
            text = event.text if isinstance(event, Piece) else ""
            piece = self._piece(index, event, first=index not in begun)
            await self._exchange.hand(send(_body(sse(piece), more=True)), {index: text})
            begun.add(index)

    def _piece(self, index: int, event: Piece | Finished, *, first: bool) -> dict[str, Any]:
        if isinstance(event, Finished):
            return self._form.piece(index, "", event.reason)
        return self._form.piece(index, event.text, first=first, logprobs=self._logprobs(index, [event]))

    async def _send_error(self, error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await send(_body(sse(error.body()), more=False))

    async def _send_end(self, send: Send) -> None:
        counts = sse(self._form.counts(self._usage)) if self._with_usage else b""
        await send(_body(counts + SSE_DONE, more=False))


def _head(response: Response) -> Message:
    return {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}


def _body(data: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}
