"""OpenAI's error form."""

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


def from_validation(error: ValidationError) -> ApiError:
    """Name the first wrong parameter. What was given is not repeated: it may be a part of a prompt."""
    problem = error.errors(include_input=False, include_url=False, include_context=False)[0]
    kind = problem["type"]
    if kind == "json_invalid" or not problem["loc"]:
        return ApiError(400, "the body is not a JSON object", code="invalid_json")
    param = _path(problem["loc"])
    if kind == "extra_forbidden":
        message = f"{param or 'one of the names'}: this server does not know this parameter"
        return ApiError(400, message, param=param, code="unknown_parameter")
    message = f"{param}: {problem['msg'].removeprefix('Value error, ')}"
    return ApiError(400, message, param=param, code="invalid_value")


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
