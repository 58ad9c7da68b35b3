"""The API's own description, made of the models that requests are validated by.

OpenAPI 3.2: the first that can say what is in a stream.
"""

from functools import cache
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from quality_contract import ROUTE_HEADER

from samplerd import __version__
from samplerd.bodies import BODY_SECONDS, LARGEST_BODY, LARGEST_RATING
from samplerd.connections import HEAD_BYTES
from samplerd.openai_answers import ChatCompletion, ChatPiece, Completion, CompletionPiece, Models, Rated, Refusal
from samplerd.openai_schema import ChatRequest, CompletionRequest
from samplerd.ratings import RatingRequest
from samplerd.routes import SESSION_HEADER

PATH: Final = "/openapi.json"

_ASKED = (CompletionRequest, ChatRequest, RatingRequest)
_ANSWERED = (Completion, CompletionPiece, ChatCompletion, ChatPiece, Models, Rated, Refusal)
_SCHEMAS = "#/components/schemas/"
_JSON, _TEXT, _EVENTS = "application/json", "text/plain", "text/event-stream"
_MALFORMED = f"No HTTP, or a head of more than {HEAD_BYTES} bytes: in plain text, and the connection is closed."
_WRONG = "A parameter is missing, unknown or out of range, or does not fit into the context: it is named."
_NOT_READY = "The server is starting, is shutting down, or failed its preflight."
_RETRY_AFTER = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string", "pattern": "^[0-9]+$"}}}
_ABOUT = (
    "Completions and chats in OpenAI's form. Any other path is a 404, any other method a 405, with a body of the same "
    "form as other refusals. Names and values of parameters: docs/sampling.md; ratings: docs/metrics.md."
)


class _Untitled(GenerateJsonSchema):
    """A field's name says what its title would."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


@cache
def description() -> dict[str, Any]:
    """The document that `GET /openapi.json` answers with. It is the same for all settings."""
    _, schemas = models_json_schema(
        [*((model, "validation") for model in _ASKED), *((model, "validation") for model in _ANSWERED)],
        ref_template=f"{_SCHEMAS}{{model}}",
        schema_generator=_Untitled,
    )
    return {
        "openapi": "3.2.0",
        "info": {"title": "samplerd", "version": __version__, "description": _ABOUT},
        "paths": _paths(),
        "components": {"schemas": schemas["$defs"]},
    }


def _paths() -> dict[str, Any]:
    no_model = {404: "There is no such model."}
    timed = {504: "The answer took longer than the server allows. In a stream: an event with this error."}
    other = {409: "The answer is of another release or route table: the rating counts for nobody."}
    return {
        "/v1/completions": {
            "post": _post("complete", CompletionRequest, _answer(Completion, CompletionPiece), no_model | timed)
        },
        "/v1/chat/completions": {
            "post": _post("chat", ChatRequest, _answer(ChatCompletion, ChatPiece), no_model | timed)
        },
        "/v1/feedback": {"post": _post("rate", RatingRequest, _only(Rated), other, LARGEST_RATING)},
        "/v1/models": {"get": _get("models", "The model that answers.", _only(Models), _refusals({503: _NOT_READY}))},
        PATH: {"get": _get("describe", "This description.", {_JSON: {"schema": {"type": "object"}}})},
        "/healthz": {"get": _probe("healthz", "Whether no restart is needed.")},
        "/readyz": {"get": _probe("readyz", "Whether requests are welcome.")},
    }


def _post(
    name: str, asked: type[BaseModel], answer: dict[str, Any], others: dict[int, str], largest: int = LARGEST_BODY
) -> dict[str, Any]:
    refusals = {
        400: _WRONG,
        408: f"The body did not come within {BODY_SECONDS:g} seconds.",
        413: f"The body is larger than {largest} bytes.",
        429: "Too many requests are waiting, or there are more ratings than answers.",
        500: "The server failed.",
        503: _NOT_READY,
        **others,
    }
    return {
        "operationId": name,
        "summary": asked.__doc__,
        "parameters": [
            _header(SESSION_HEADER, "The session, which quality is counted by where sessions stick. Kept as a hash."),
            _header(ROUTE_HEADER, "Set by the gateway, over whatever a client says: the route table, and its epoch."),
        ],
        "requestBody": {"required": True, "content": _only(asked)},
        "responses": _responses(answer, _refusals(refusals)),
    }


def _get(name: str, summary: str, answer: dict[str, Any], refusals: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "responses": _responses(answer, refusals or {})}


def _probe(name: str, summary: str) -> dict[str, Any]:
    said = {_TEXT: {"schema": {"type": "string"}}}
    return _get(name, summary, said, {"503": {"description": "It is not, and why.", "content": said}})


def _responses(answer: dict[str, Any], refusals: dict[str, Any]) -> dict[str, Any]:
    """By status. Whoever reads heads refuses malformed ones, whatever they ask for."""
    malformed = {"description": _MALFORMED, "content": {_TEXT: {"schema": {"type": "string"}}}}
    wrong = refusals.get("400", malformed)
    if wrong is not malformed:
        wrong = {
            "description": f"{wrong['description']} {_MALFORMED}",
            "content": wrong["content"] | malformed["content"],
        }
    return dict(sorted({"200": {"description": "The answer.", "content": answer}, **refusals, "400": wrong}.items()))


def _refusals(meanings: dict[int, str]) -> dict[str, Any]:
    again = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
    return {
        str(status): {"description": meaning, "content": _only(Refusal)}
        | ({"headers": _RETRY_AFTER} if status in again else {})
        for status, meaning in meanings.items()
    }


def _answer(whole: type[BaseModel], piece: type[BaseModel]) -> dict[str, Any]:
    """Whole, or with `stream` as events: pieces, an error if it fails, and `[DONE]`."""
    said = {"anyOf": [_ref(piece), _ref(Refusal)]}
    data = {"anyOf": [{"const": "[DONE]"}, {"contentMediaType": _JSON, "contentSchema": said}]}
    event = {"type": "object", "required": ["data"], "properties": {"data": {"type": "string", **data}}}
    return {**_only(whole), _EVENTS: {"itemSchema": event}}


def _only(model: type[BaseModel]) -> dict[str, Any]:
    return {_JSON: {"schema": _ref(model)}}


def _ref(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": f"{_SCHEMAS}{model.__name__}"}


def _header(name: str, meaning: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": meaning, "schema": {"type": "string"}}
