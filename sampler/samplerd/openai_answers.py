"""What a client is answered, in OpenAI's words. The API's description is made of it; tests hold the answers to it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Reason = Literal["stop", "length"]
Count = Annotated[int, Field(ge=0)]
Logprob = Annotated[float, Field(le=0)]
"""At least -9999, which stands for minus infinity."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class Usage(_Part):
    """Tokens. A prompt counts once, however many answers it has."""

    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count


class CompletionLogprobs(_Part):
    """Lists side by side, an entry a token."""

    tokens: list[str]
    token_logprobs: list[Logprob]
    top_logprobs: list[dict[str, Logprob]]
    text_offset: list[Count]
    """Where in the answer each token begins, in characters."""


class CompletionChoice(_Part):
    """One of the answers; in a stream a piece of it, whose last one has the reason."""

    index: Count
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: Reason | None


class TokenLogprob(_Part):
    """One token that was possible."""

    token: str
    logprob: Logprob
    bytes: list[Annotated[int, Field(ge=0, le=255)]]


class ChosenLogprob(TokenLogprob):
    """One token of the answer, and those that were likeliest in its place."""

    top_logprobs: list[TokenLogprob]


class ChatLogprobs(_Part):
    """An entry a token."""

    content: list[ChosenLogprob]


class Message(_Part):
    """The answer's text."""

    role: Literal["assistant"]
    content: str


class Delta(_Part):
    """What is added to a message; its first piece has the role."""

    role: Literal["assistant"] = "assistant"
    content: str = ""


class ChatChoice(_Part):
    """One of the answers."""

    index: Count
    message: Message
    logprobs: ChatLogprobs | None
    finish_reason: Reason


class ChatPieceChoice(_Part):
    """A piece of one of the answers."""

    index: Count
    delta: Delta
    logprobs: ChatLogprobs | None
    finish_reason: Reason | None


class _Envelope(_Part):
    id: str
    created: Count
    """Seconds since 1970."""
    model: str
    system_fingerprint: str
    """The revision and the route table: what a rating of this answer has to say."""


class Completion(_Envelope):
    """The answers to `POST /v1/completions`."""

    object: Literal["text_completion"]
    choices: list[CompletionChoice]
    usage: Usage


class CompletionPiece(_Envelope):
    """An event of their stream. The one with the counts, if they were asked for, has no choice."""

    object: Literal["text_completion"]
    choices: list[CompletionChoice]
    usage: Usage | None = None


class ChatCompletion(_Envelope):
    """The answers to `POST /v1/chat/completions`."""

    object: Literal["chat.completion"]
    choices: list[ChatChoice]
    usage: Usage


class ChatPiece(_Envelope):
    """An event of their stream. The one with the counts, if they were asked for, has no choice."""

    object: Literal["chat.completion.chunk"]
    choices: list[ChatPieceChoice]
    usage: Usage | None = None


class Model(_Part):
    """The one model."""

    id: str
    object: Literal["model"]
    created: Count
    owned_by: Literal["samplerd"]
    max_model_len: Count
    """Tokens of prompt and answer together."""


class Models(_Part):
    """`GET /v1/models`."""

    object: Literal["list"]
    data: list[Model]


class Rated(_Part):
    """What became of a rating."""

    object: Literal["feedback"]
    rating: Literal["up", "down"]
    counted: bool
    reason: str = ""
    """Why it was not counted."""


class Problem(_Part):
    """Why a request is not answered."""

    message: str
    type: Literal["invalid_request_error", "rate_limit_error", "server_error"]
    param: str | None
    """Which parameter is wrong."""
    code: str | None


class Refusal(_Part):
    """OpenAI's form of an error; in a stream an event of its own."""

    error: Problem
