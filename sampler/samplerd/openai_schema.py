"""What a client may ask, in OpenAI's words; anything out of range is refused by name, nothing is ignored in silence."""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

_MOST_STOPS = 4
_LONGEST_STOP = 256

_MOST_BIASED = 300
_MOST_TOP_LOGPROBS = 20
_MOST_CHOICES = 128
"""OpenAI's limit; a server that has fewer slots and places in its queue takes no more than those."""

Penalty = Annotated[float, Field(ge=-2, le=2)]
Bias = Annotated[float, Field(ge=-100, le=100)]
TokenId = Annotated[int, Field(ge=0, lt=2**31)]
TopLogprobs = Annotated[int, Field(ge=0, le=_MOST_TOP_LOGPROBS)]
Choices = Annotated[int, Field(ge=1, le=_MOST_CHOICES)]
TokenLimit = Annotated[int, Field(ge=1, lt=2**31)]
_ID_FORM = "0|[1-9][0-9]{0,8}"  # so no token has two names
_Text = Annotated[str, Field(min_length=1)]
_Stop = Annotated[str, Field(min_length=1, max_length=_LONGEST_STOP)]


def _only(neutral: Any) -> BeforeValidator:
    """Take one value and nothing that merely equals it: `"logprobs": 0` asks for something, false does not."""

    def check(value: Any) -> Any:
        if type(value) is not type(neutral) or value != neutral:
            raise ValueError(f"this server takes nothing but {json.dumps(neutral)}")
        return value

    return BeforeValidator(check, json_schema_input_type=Literal[neutral])


def _null_is_absent(schema: dict[str, Any]) -> None:
    """Say of each parameter that may be left out that it may be null too."""
    optional = schema["properties"].keys() - set(schema.get("required", ()))
    for name in optional:
        parameter = schema["properties"][name]
        if "null" not in (one.get("type") for one in (parameter, *parameter.get("anyOf", ()))):
            schema["properties"][name] = {"anyOf": [parameter, {"type": "null"}]}


class StreamOptions(BaseModel):
    """OpenAI's `stream_options`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    include_usage: bool = False


class SamplingRequest(BaseModel):
    """What both kinds of request have in common. A null is as good as leaving the parameter out."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        json_schema_extra=_null_is_absent,
        use_attribute_docstrings=True,
    )

    model: str | None = None
    max_tokens: TokenLimit | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    top_k: Annotated[int, Field(ge=-1, lt=2**31)] = 0
    top_p: Annotated[float, Field(ge=0, le=1)] = 1.0
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0
    repetition_penalty: Annotated[float, Field(ge=0.01, le=100)] = 1.0
    presence_penalty: Penalty = 0.0
    frequency_penalty: Penalty = 0.0
    logit_bias: Annotated[
        dict[str, Bias],
        Field(json_schema_extra={"maxProperties": _MOST_BIASED, "propertyNames": {"pattern": f"^({_ID_FORM})$"}}),
    ] = {}
    allowed_token_ids: Annotated[list[TokenId], Field(min_length=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**64)] | None = None
    n: Choices = 1
    best_of: Choices | None = None
    stop: list[str] = []
    stream: bool = False
    stream_options: StreamOptions | None = None
    user: str | None = None  # taken, and kept nowhere

    # Known to OpenAI, not to this server: only their neutral values are taken.
    echo: Annotated[bool, _only(False)] = False
    suffix: None = None

    @property
    def token_limit(self) -> tuple[str, int | None]:
        """The most tokens of the answer, and the name under which the client gave them."""
        return "max_tokens", self.max_tokens

    @property
    def wanted_logprobs(self) -> int | None:
        """How many alternatives to report with each token's log-probability; None: no log-probabilities."""
        return None

    @property
    def biases(self) -> tuple[tuple[int, float], ...]:
        """`logit_bias` by token."""
        return tuple((int(token), bias) for token, bias in self.logit_bias.items())

    @field_validator("best_of")
    @classmethod
    def _all_are_answers(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and value != info.data.get("n", value):
            raise ValueError("this server returns all answers that it draws: leave it out, or say what n says")
        return value

    @field_validator("logit_bias")
    @classmethod
    def _biases_of_tokens(cls, value: dict[str, float]) -> dict[str, float]:
        if len(value) > _MOST_BIASED:
            raise ValueError(f"at most {_MOST_BIASED} tokens")
        if not all(re.fullmatch(_ID_FORM, token) for token in value):
            raise ValueError("its keys are token ids")
        return value

    @model_validator(mode="before")
    @classmethod
    def _nulls_are_absent(cls, values: Any) -> Any:
        if isinstance(values, dict):
            return {key: value for key, value in values.items() if value is not None}
        return values

    @field_validator("stream_options")
    @classmethod
    def _for_streams(cls, value: StreamOptions | None, info: ValidationInfo) -> StreamOptions | None:
        if value is not None and not info.data.get("stream"):
            raise ValueError("only with stream")
        return value

    @field_validator(
        "stop", mode="before", json_schema_input_type=_Stop | Annotated[list[_Stop], Field(max_length=_MOST_STOPS)]
    )
    @classmethod
    def _one_stop(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("stop")
    @classmethod
    def _stops_in_range(cls, value: list[str]) -> list[str]:
        if len(value) > _MOST_STOPS:
            raise ValueError(f"at most {_MOST_STOPS} stop strings")
        if not all(0 < len(stop) <= _LONGEST_STOP for stop in value):
            raise ValueError(f"a stop string has 1 to {_LONGEST_STOP} characters")
        return value


class CompletionRequest(SamplingRequest):
    """`POST /v1/completions`: the prompt is taken as it is."""

    prompt: _Text
    logprobs: TopLogprobs | None = None
    """Alternatives a token; 0 reports the chosen token alone."""

    @property
    def wanted_logprobs(self) -> int | None:
        """Also the number of alternatives."""
        return self.logprobs

    @field_validator(
        "prompt",
        mode="before",
        json_schema_input_type=_Text | Annotated[list[_Text], Field(min_length=1, max_length=1)],
    )
    @classmethod
    def _one_prompt(cls, value: Any) -> Any:
        if isinstance(value, list):
            if len(value) == 1 and isinstance(value[0], str):
                return value[0]
            raise ValueError("one text a request: lists of prompts and of token ids are not supported")
        return value


class TextPart(BaseModel):
    """A part of a turn. There are no others: this server reads no images, sounds or files."""

    model_config = ConfigDict(extra="forbid", strict=True)
    type: Annotated[str, _only("text")]
    text: str


_Parts = Annotated[list[TextPart], Field(min_length=1)]


class ChatMessage(BaseModel):
    """One turn. Its content is a text or a list of its parts."""

    model_config = ConfigDict(extra="forbid", strict=True)
    role: Literal["system", "user", "assistant"]
    content: _Parts

    @property
    def text(self) -> str:
        """The parts, each on lines of its own, as vLLM joins them."""
        return "\n".join(part.text for part in self.content)

    @field_validator("content", mode="before", json_schema_input_type=str | _Parts)
    @classmethod
    def _one_part(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [{"type": "text", "text": value}]
        if not isinstance(value, list):
            raise ValueError("needs a text, or a list of text parts")
        return value


class ChatRequest(SamplingRequest):
    """`POST /v1/chat/completions`: the server puts the turns into the model's template."""

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_completion_tokens: TokenLimit | None = None
    """OpenAI's newer name of `max_tokens`."""
    logprobs: bool = False
    top_logprobs: TopLogprobs | None = None

    @property
    def wanted_logprobs(self) -> int | None:
        """The switch and the number are two parameters here."""
        return (self.top_logprobs or 0) if self.logprobs else None

    @field_validator("top_logprobs")
    @classmethod
    def _with_logprobs(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and not info.data.get("logprobs"):
            raise ValueError("only with logprobs")
        return value

    @field_validator("max_completion_tokens")
    @classmethod
    def _one_limit(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("max_tokens") not in (None, value):
            raise ValueError("max_tokens says something else")
        return value

    @property
    def token_limit(self) -> tuple[str, int | None]:
        """The most tokens of the answer, and the name under which the client gave them."""
        if self.max_completion_tokens is None:
            return super().token_limit
        return "max_completion_tokens", self.max_completion_tokens
