"""The HTTP API: OpenAI's completions and chat completions, the list of models, the probes."""

import contextlib
import logging
import secrets
import traceback
from collections.abc import AsyncGenerator
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samplerd.engine import Engine
from samplerd.exchange import ClientGoneError, Exchange
from samplerd.generation import Ask, Finished, Piece
from samplerd.openai_errors import ApiError, from_validation
from samplerd.openai_format import SSE_DONE, AnswerForm, ChatForm, CompletionForm, sse, usage
from samplerd.openai_schema import ChatRequest, CompletionRequest, SamplingRequest
from samplerd.routes import ROUTE_HEADER, SESSION_HEADER
from samplerd.service import Service, State

log = logging.getLogger(__name__)

_LARGEST_BODY = 1 << 18  # far more than fits in any context; the tokenizer runs in the loop that serves
_DEFAULT_COMPLETION_TOKENS = 16


class Api:
    """The handlers of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def app(self) -> Starlette:
        """The application."""
        return Starlette(
            routes=[
                Route("/v1/completions", self._completions, methods=["POST"]),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/models", self._models),
                Route("/healthz", self._healthz),
                Route("/readyz", self._readyz),
            ],
            exception_handlers={HTTPException: self._http_error},
            middleware=[Middleware(_SendAway, service=self._service)],
        )

    async def _completions(self, request: Request) -> Response:
        return await self._guarded(request, CompletionRequest, CompletionForm)

    async def _chat(self, request: Request) -> Response:
        return await self._guarded(request, ChatRequest, ChatForm)

    async def _guarded(self, request: Request, schema: type[SamplingRequest], form: type[AnswerForm]) -> Response:
        """Answer, and say nothing of the request in the log whatever happens."""
        try:
            return await self._answer(request, schema, form)
        except ApiError as error:
            return self._refuse(request, error)
        except (ClientDisconnect, ClientGoneError):
            return Response(status_code=499)
        except Exception as error:
            return self._refuse(request, _internal_error(error))

    def _refuse(self, request: Request, error: ApiError) -> Response:
        self._service.refuse(
            error, route_header=request.headers.get(ROUTE_HEADER), session=request.headers.get(SESSION_HEADER)
        )
        return error.response()

    async def _answer(self, request: Request, schema: type[SamplingRequest], form: type[AnswerForm]) -> Response:
        engine = self._service.require_engine()
        asked = await _read(request, schema)
        prompt_text, prompt = _prompt(engine, asked)
        ask = _ask(engine, asked, prompt)
        self._check_model(engine, asked.model)
        exchange = Exchange(engine, ask, self._service.settings.request_timeout)
        record = self._service.accounting.begin(
            route_header=request.headers.get(ROUTE_HEADER),
            session=request.headers.get(SESSION_HEADER),
            prompt=prompt_text,
        )
        exchange.follow(request, record)
        answer = form(engine.model.name, self._fingerprint(request))
        if asked.stream:
            return EventStream(_stream(exchange, answer, asked.stream_options.include_usage))
        return await _whole(exchange, answer)

    def _check_model(self, engine: Engine, name: str | None) -> None:
        if name is not None and name != engine.model.name:
            raise ApiError(404, f"model: there is only {engine.model.name}", param="model", code="model_not_found")

    def _fingerprint(self, request: Request) -> str:
        label = self._service.accounting.route_label(request.headers.get(ROUTE_HEADER))
        return f"{self._service.settings.revision}-{label}"

    async def _models(self, _request: Request) -> Response:
        try:
            engine = self._service.require_engine()
        except ApiError as error:
            return error.response()
        model = {"id": engine.model.name, "object": "model", "created": 0, "owned_by": "samplerd"}
        return JSONResponse({"object": "list", "data": [{**model, "max_model_len": engine.model.context}]})

    async def _healthz(self, _request: Request) -> Response:
        healthy = self._service.is_healthy
        return PlainTextResponse("ok\n" if healthy else "the engine died\n", 200 if healthy else 503)

    async def _readyz(self, _request: Request) -> Response:
        ready = self._service.is_ready
        return PlainTextResponse("ok\n" if ready else f"{self._service.state.value}\n", 200 if ready else 503)

    async def _http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return self._refuse(request, ApiError(error.status_code, error.detail))


class _SendAway:
    """Asks clients to close their connection after each answer while draining, so that pooled ones move elsewhere."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and self._service.state is State.DRAINING:
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, sending)


def _internal_error(error: Exception) -> ApiError:
    """Log where it happened, without the exception's message: it may hold a part of a prompt."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("a request failed with %s at\n%s", type(error).__name__, frames)
    return ApiError(500, "the server made an error", code="internal_error")


class EventStream(Response):
    """Sends events as they come. The exchange itself notices when the client goes away."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes]) -> None:
        super().__init__(headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the head, then each event at once."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with contextlib.aclosing(self._events):
            async for event in self._events:
                await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _read(request: Request, schema: type[SamplingRequest]) -> SamplingRequest:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_BODY:
            raise ApiError(413, f"the body is larger than {_LARGEST_BODY} bytes")
    try:
        return schema.model_validate_json(bytes(body))
    except ValidationError as error:
        raise from_validation(error) from None


def _prompt(engine: Engine, asked: SamplingRequest) -> tuple[str, list[int]]:
    """The user's own text, and the tokens that the model reads."""
    tokenizer = engine.model.tokenizer
    if isinstance(asked, ChatRequest):
        turns = [(message.role, message.content) for message in asked.messages]
        return "\n".join(content for _, content in turns), tokenizer.encode_chat(turns)
    assert isinstance(asked, CompletionRequest)
    return asked.prompt, tokenizer.encode(asked.prompt)


def _ask(engine: Engine, asked: SamplingRequest, prompt: list[int]) -> Ask:
    room = engine.model.context - len(prompt)
    chat = isinstance(asked, ChatRequest)
    param = "messages" if chat else "prompt"
    if not prompt or room < 1:
        message = f"{param}: {len(prompt)} tokens; from 1 to {engine.model.context - 1} are possible"
        raise ApiError(400, message, param=param, code="context_length_exceeded")
    wanted = (asked.max_completion_tokens if isinstance(asked, ChatRequest) else None) or asked.max_tokens
    if wanted is not None and wanted > room:
        message = f"max_tokens: with {len(prompt)} tokens of prompt at most {room} fit, not {wanted}"
        raise ApiError(400, message, param="max_tokens", code="context_length_exceeded")
    return Ask(
        prompt=tuple(prompt),
        max_tokens=wanted or min(room, room if chat else _DEFAULT_COMPLETION_TOKENS),
        seed=secrets.randbits(64) if asked.seed is None else asked.seed % 2**64,
        temperature=asked.temperature,
        top_k=max(0, asked.top_k),
        top_p=asked.top_p,
        stop=tuple(asked.stop),
    )


async def _whole(exchange: Exchange, form: AnswerForm) -> Response:
    pieces: list[str] = []
    reason = ""
    try:
        with exchange:
            async for event in exchange.events():
                if isinstance(event, Finished):
                    reason = event.reason
                else:
                    pieces.append(event.text)
            answer = JSONResponse(form.whole("".join(pieces), reason, _usage(exchange)))
            exchange.show("".join(pieces))
    except ApiError as error:
        return error.response()
    except Exception as error:
        return _internal_error(error).response()
    return answer


async def _stream(exchange: Exchange, form: AnswerForm, with_usage: bool) -> AsyncGenerator[bytes]:
    first = True
    try:
        with exchange:
            async for event in exchange.events():
                yield sse(_piece(form, event, first=first))
                first = False
                exchange.show(event.text if isinstance(event, Piece) else "")
    except ApiError as error:
        yield sse(error.body())
        return
    except ClientGoneError:
        return
    except Exception as error:
        yield sse(_internal_error(error).body())
        return
    if with_usage:
        yield sse(form.counts(_usage(exchange)))
    yield SSE_DONE


def _piece(form: AnswerForm, event: Piece | Finished, *, first: bool) -> dict[str, Any]:
    if isinstance(event, Finished):
        return form.piece("", event.reason)
    return form.piece(event.text, first=first)


def _usage(exchange: Exchange) -> dict[str, int]:
    generation = exchange.generation
    return usage(len(generation.ask.prompt), len(generation.tokens))
