"""Reads the body of a request: bounded in size and time, and of the form that its model says."""

import asyncio
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from samplerd.openai_errors import ApiError, from_validation

T = TypeVar("T", bound=BaseModel)

LARGEST_BODY: Final = 1 << 18
"""Bytes."""
LARGEST_RATING: Final = 1 << 12
"""Bytes of the body of a rating."""
BODY_SECONDS: Final = 30.0
"""In which a request's body must have come."""


async def read_body(request: Request, schema: type[T], largest: int = LARGEST_BODY) -> T:
    """The body. Raises ApiError: 400 for what the model refuses, 408 and 413 for what is late or too long."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _bytes(request, largest)
    except TimeoutError:
        raise ApiError(408, f"the body did not come within {BODY_SECONDS:g} seconds") from None
    try:
        return schema.model_validate_json(body)
    except ValidationError as error:
        raise from_validation(error, body) from None


async def _bytes(request: Request, largest: int) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > largest:
            raise ApiError(413, f"the body is larger than {largest} bytes")
    return bytes(body)
