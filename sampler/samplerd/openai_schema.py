"""What a client may ask, in OpenAI's words; anything out of range is refused by name, nothing is ignored in silence."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_MOST_STOPS = 4
_LONGEST_STOP = 256

Off = Annotated[float, Field(ge=0, le=0)]


class StreamOptions(BaseModel):
    """OpenAI's `stream_options`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    include_usage: bool = False


class SamplingRequest(BaseModel):
    """What both kinds of request have in common. A null is as good as leaving the parameter out."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    model: str | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    top_k: Annotated[int, Field(ge=-1, lt=2**31)] = 0
    top_p: Annotated[float, Field(ge=0, le=1)] = 1.0
    seed: Annotated[int, Field(ge=-(2**63), lt=2**64)] | None = None
    stop: list[str] = []
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    user: str | None = None

    # Known to OpenAI, not to this server: only their neutral values are taken.
    n: Literal[1] = 1
    best_of: Literal[1] = 1
    echo: Literal[False] = False
    suffix: None = None
    logprobs: Literal[False] = False
    top_logprobs: None = None
    presence_penalty: Off = 0.0
    frequency_penalty: Off = 0.0
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] = {}

    @model_validator(mode="before")
    @classmethod
    def _nulls_are_absent(cls, values: Any) -> Any:
        if isinstance(values, dict):
            return {key: value for key, value in values.items() if value is not None}
        return values

    @field_validator("stop", mode="before")
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

    prompt: Annotated[str, Field(min_length=1)]

    @field_validator("prompt", mode="before")
    @classmethod
    def _one_prompt(cls, value: Any) -> Any:
        if isinstance(value, list):
            if len(value) == 1 and isinstance(value[0], str):
                return value[0]
            raise ValueError("one text a request: lists of prompts and of token ids are not supported")
        return value


class ChatMessage(BaseModel):
    """One turn."""

    model_config = ConfigDict(extra="forbid", strict=True)
    role: Literal["system", "user", "assistant"]
    content: str


class ChatRequest(SamplingRequest):
    """`POST /v1/chat/completions`: the server puts the turns into the model's template."""

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
