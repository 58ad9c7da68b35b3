"""OpenAI's error form."""

import json
import logging
import re
from typing import Any

from pydantic import ValidationError
from starlette.responses import JSONResponse

from samplerd.failures import told

log = logging.getLogger(__name__)

_RETRY_AFTER = {"retry-after": "1"}
_CLOSE = {"connection": "close"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", re.ASCII)


class ApiError(Exception):
    """A request that is not answered. `param` names the parameter that is wrong."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code

    def body(self) -> dict[str, Any]:
        """OpenAI's JSON."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        kind = "rate_limit_error" if self.status == 429 else kind
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        """The whole answer; it says when to come back if that may help."""
        headers = _RETRY_AFTER if self.status in (429, 503) else _CLOSE if self.status == 408 else None
        return JSONResponse(self.body(), self.status, headers)


def from_validation(error: ValidationError, body: bytes) -> ApiError:
    """Name the first wrong parameter of a body. What was given is not repeated: it may be a part of a prompt."""
    problem = error.errors(include_input=False, include_url=False, include_context=False)[0]
    kind = problem["type"]
    if kind == "json_invalid" or not problem["loc"]:
        return _half_a_character(body) or ApiError(400, "the body is not a JSON object", code="invalid_json")
    param = _path(problem["loc"])
    if kind == "extra_forbidden":
        message = f"{param or 'one of the names'}: this server does not know this parameter"
        return ApiError(400, message, param=param, code="unknown_parameter")
    message = f"{param}: {problem['msg'].removeprefix('Value error, ')}"
    return ApiError(400, message, param=param, code="invalid_value")


def _half_a_character(body: bytes) -> ApiError | None:
    """What is wrong with a body that would be JSON but for a lone surrogate: pydantic's parser does not say where."""
    try:
        where = _no_text(json.loads(body))
    except (ValueError, RecursionError):
        return None
    if where is None:
        return None
    param = _path(where)
    message = f"{param or 'the body'}: holds a lone surrogate (\\ud800 to \\udfff), half of a character: send it whole"
    return ApiError(400, message, param=param, code="invalid_value")


def _no_text(value: Any, where: tuple[str | int, ...] = ()) -> tuple[str | int, ...] | None:
    """Where the first text with a lone surrogate stands, be it a name."""
    if isinstance(value, str):
        return where if re.search(r"[\ud800-\udfff]", value) else None
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        found = where if _no_text(name) is not None else _no_text(part, (*where, name))
        if found is not None:
            return found
    return None


def _path(where: tuple[str | int, ...]) -> str | None:
    """`messages[0].content`, up to the first name that does not look like one: it may be a part of a prompt."""
    path = ""
    for part in where:
        if isinstance(part, int):
            path += f"[{part}]"
        elif _NAME.fullmatch(part):
            path += f".{part}" if path else part
        else:
            break
    return path or None


def internal_error(error: Exception) -> ApiError:
    """Log where it happened."""
    log.error("a request failed with %s", told(error))
    return ApiError(500, "the server made an error", code="internal_error")
