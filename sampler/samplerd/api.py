"""The HTTP API: OpenAI's completions and chat completions, the list of models, ratings, its description, the probes."""

import logging
import secrets
from collections.abc import Callable

from quality_contract import FEEDBACK_COUNTED, FEEDBACK_OTHER_RELEASE, FEEDBACK_TOO_MANY, ROUTE_HEADER
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samplerd.answers import StreamedAnswer, WholeAnswer
from samplerd.bodies import LARGEST_RATING, read_body
from samplerd.edit_list import Wishes
from samplerd.engine import Engine
from samplerd.exchange import Exchange
from samplerd.generation import Ask, choices
from samplerd.openai_errors import ApiError, internal_error
from samplerd.openai_format import AnswerForm, ChatForm, CompletionForm
from samplerd.openai_schema import ChatRequest, CompletionRequest, SamplingRequest
from samplerd.openapi import PATH as DESCRIPTION_PATH
from samplerd.openapi import description
from samplerd.ratings import RatingRequest
from samplerd.routes import SESSION_HEADER, Caller
from samplerd.service import Service, State

log = logging.getLogger(__name__)

_DEFAULT_COMPLETION_TOKENS = 16
_STARTED = "samplerd.started"
_ROUTE_HEADER = ROUTE_HEADER.lower().encode()


class Api:
    """The handlers of one service. With ``probing`` every request is a probe: for a port that no user reaches."""

    def __init__(self, service: Service, *, probing: bool = False) -> None:
        self._service = service
        self._probing = probing

    def app(self) -> Starlette:
        """The application."""
        return Starlette(
            routes=[
                *self.answering(),
                Route("/v1/feedback", self._feedback, methods=["POST"]),
                Route("/v1/models", self._models),
                Route(DESCRIPTION_PATH, self._description),
                Route("/healthz", self._healthz),
                Route("/readyz", self._readyz),
            ],
            exception_handlers={HTTPException: self._http_error},
            middleware=[
                Middleware(_SendAway, service=self._service),
                Middleware(_NotStarted, count=self._service.metrics.not_started.inc),
            ],
        )

    def answering(self) -> list[Route]:
        """The routes that answer prompts."""
        return [
            Route("/v1/completions", self._completions, methods=["POST"]),
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
        ]

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
        except ClientDisconnect:  # before its request was whole: nothing to count
            return Response(status_code=499)
        except Exception as error:
            return self._refuse(request, internal_error(error))

    def _refuse(self, request: Request, error: ApiError) -> Response:
        self._service.refuse(error, self._caller(request))
        return error.response()

    def _caller(self, request: Request) -> Caller:
        return Caller(request.headers.get(ROUTE_HEADER), request.headers.get(SESSION_HEADER), probe=self._probing)

    async def _answer(self, request: Request, schema: type[SamplingRequest], form: type[AnswerForm]) -> Response:
        engine = self._service.require_engine()
        if self._probing:
            self._service.require_room_for_probe(engine)
        asked = await read_body(request, schema)
        prompt_text, prompt = _prompt(engine, asked)
        ask = _ask(engine, asked, prompt)
        self._check_model(engine, asked.model)
        exchange = Exchange(engine, choices(ask, asked.n), self._service.settings.request_timeout)
        record = self._service.accounting.begin(self._caller(request), prompt=prompt_text, prompt_tokens=len(prompt))
        request.scope[_STARTED] = True
        exchange.follow(request, record)
        form_of_it = form(engine.model.name, self._fingerprint(request))
        if asked.stream:
            return StreamedAnswer(exchange, form_of_it, with_usage=_wants_usage(asked))
        return WholeAnswer(exchange, form_of_it)

    def _check_model(self, engine: Engine, name: str | None) -> None:
        if name is not None and name != engine.model.name:
            raise ApiError(404, f"model: there is only {engine.model.name}", param="model", code="model_not_found")

    def _fingerprint(self, request: Request) -> str:
        label = self._service.accounting.route_label(self._caller(request))
        return f"{self._service.settings.revision}-{label}"

    async def _models(self, _request: Request) -> Response:
        try:
            engine = self._service.require_engine()
        except ApiError as error:
            return error.response()
        model = {"id": engine.model.name, "object": "model", "created": 0, "owned_by": "samplerd"}
        return JSONResponse({"object": "list", "data": [{**model, "max_model_len": engine.model.context}]})

    async def _feedback(self, request: Request) -> Response:
        """A rating is no request for an answer, and is counted among none."""
        try:
            self._service.require_engine()
            asked = await read_body(request, RatingRequest, LARGEST_RATING)
            return self._rated(asked, self._caller(request))
        except ApiError as error:
            return error.response()
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception as error:
            return internal_error(error).response()

    def _rated(self, asked: RatingRequest, caller: Caller) -> Response:
        revision = self._service.settings.revision
        outcome = self._service.accounting.rate(caller, asked, revision)
        if outcome == FEEDBACK_OTHER_RELEASE:
            raise ApiError(
                409,
                f"system_fingerprint: this server is of revision {revision}, that answer is not, or of another route "
                "table: the rating counts for nobody. Send it as the answer was asked for: same headers, same cookie",
                param="system_fingerprint",
                code="other_release",
            )
        if outcome == FEEDBACK_TOO_MANY:
            raise ApiError(429, "there are more ratings than answers: this one counts for nobody", code=outcome)
        counted = outcome == FEEDBACK_COUNTED
        told = {"object": "feedback", "rating": asked.rating, "counted": counted}
        return JSONResponse(told if counted else {**told, "reason": "this session has rated before"})

    async def _description(self, _request: Request) -> Response:
        return JSONResponse(description())

    async def _healthz(self, _request: Request) -> Response:
        ailment = self._service.ailment
        if ailment is not None:
            log.error("unhealthy: %s", ailment)  # who probes keeps the status only
        return PlainTextResponse(f"{ailment or 'ok'}\n", 200 if ailment is None else 503)

    async def _readyz(self, _request: Request) -> Response:
        if self._service.is_ready:
            return PlainTextResponse("ok\n")
        return PlainTextResponse(f"{self._service.held or self._service.state.value}\n", 503)

    async def _http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        response = self._refuse(request, ApiError(error.status_code, error.detail))
        response.headers.update(error.headers or {})
        return response


class _NotStarted:
    """Counts what a gateway sent and is answered without having been taken on, whatever it asked for and is told.

    Such requests have the gateway's header; the kubelet's, and those of who calls a Service, have not.
    """

    def __init__(self, app: ASGIApp, count: Callable[[], None]) -> None:
        self._app = app
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            begins = message["type"] == "http.response.start"
            if begins and not scope.get(_STARTED) and any(name == _ROUTE_HEADER for name, _ in scope["headers"]):
                self._count()
            await send(message)

        await self._app(scope, receive, sending)


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


def _wants_usage(asked: SamplingRequest) -> bool:
    return asked.stream_options is not None and asked.stream_options.include_usage


def _prompt(engine: Engine, asked: SamplingRequest) -> tuple[str, list[int]]:
    """The user's own text, and the tokens that the model reads."""
    tokenizer = engine.model.tokenizer
    if isinstance(asked, ChatRequest):
        turns = [(message.role, message.text) for message in asked.messages]
        text = "\n".join(turn for _, turn in turns)
        _check_length(engine, text, "messages")
        return text, tokenizer.encode_chat(turns)
    assert isinstance(asked, CompletionRequest)
    _check_length(engine, asked.prompt, "prompt")
    return asked.prompt, tokenizer.encode(asked.prompt)


def _check_length(engine: Engine, text: str, param: str) -> None:
    """Refuse what cannot fit before it is encoded: the tokenizer works in the loop that serves everybody."""
    context = engine.model.context
    if len(text.encode()) > context * engine.model.tokenizer.longest_token:
        message = f"{param}: too long; at most {context - 1} tokens are possible"
        raise ApiError(400, message, param=param, code="context_length_exceeded")


def _ask(engine: Engine, asked: SamplingRequest, prompt: list[int]) -> Ask:
    room = engine.model.context - len(prompt)
    chat = isinstance(asked, ChatRequest)
    param = "messages" if chat else "prompt"
    if not prompt or room < 1:
        message = f"{param}: {len(prompt)} tokens; from 1 to {engine.model.context - 1} are possible"
        raise ApiError(400, message, param=param, code="context_length_exceeded")
    if asked.n > engine.most_together:
        message = f"n: this server takes on at most {engine.most_together} answers at once, not {asked.n}"
        raise ApiError(400, message, param="n", code="invalid_value")
    name, wanted = asked.token_limit
    if wanted is not None and wanted > room:
        message = f"{name}: with {len(prompt)} tokens of prompt at most {room} fit, not {wanted}"
        raise ApiError(400, message, param=name, code="context_length_exceeded")
    return Ask(
        prompt=tuple(prompt),
        max_tokens=wanted or min(room, room if chat else _DEFAULT_COMPLETION_TOKENS),
        seed=secrets.randbits(64) if asked.seed is None else asked.seed % 2**64,
        seed_drawn=asked.seed is None,
        temperature=asked.temperature,
        top_k=max(0, asked.top_k),
        top_p=asked.top_p,
        stop=tuple(asked.stop),
        min_p=asked.min_p,
        wishes=_wishes(engine, asked),
        top_logprobs=asked.wanted_logprobs,
    )


def _wishes(engine: Engine, asked: SamplingRequest) -> Wishes:
    allowed = asked.allowed_token_ids
    for param, ids in (("logit_bias", [token for token, _ in asked.biases]), ("allowed_token_ids", allowed or [])):
        if ids and max(ids) >= engine.model.vocabulary:
            message = f"{param}: token ids are from 0 to {engine.model.vocabulary - 1}"
            raise ApiError(400, message, param=param, code="invalid_value")
    return Wishes(
        allowed_ids=None if allowed is None else tuple(allowed),
        logit_bias=asked.biases,
        repetition_penalty=asked.repetition_penalty,
        presence_penalty=asked.presence_penalty,
        frequency_penalty=asked.frequency_penalty,
    )
