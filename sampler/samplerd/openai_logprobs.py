"""Log-probabilities in OpenAI's two forms. They are the model's own, before penalties and temperature."""

from collections.abc import Sequence
from typing import Any

from samplerd.generation import TokenLogprobs
from samplerd.tokenizer import Tokenizer

_LEAST = -9999.0
"""What stands for minus infinity, which JSON has no word for; vLLM's value."""


def chat_logprobs(tokens: Sequence[TokenLogprobs], tokenizer: Tokenizer) -> dict[str, Any]:
    """`logprobs` of a chat completion's choice."""
    return {
        "content": [
            {
                **_entry(one.token, one.logprob, tokenizer),
                "top_logprobs": [_entry(token, logprob, tokenizer) for token, logprob in one.top],
            }
            for one in tokens
        ]
    }


def completion_logprobs(tokens: Sequence[TokenLogprobs], tokenizer: Tokenizer, offset: int) -> dict[str, Any]:
    """`logprobs` of a completion's choice; `offset` is where in the answer the first token begins, in characters."""
    names = [_name(one.token, tokenizer) for one in tokens]
    offsets = [offset + sum(map(len, names[:place])) for place in range(len(names))]
    return {
        "tokens": names,
        "token_logprobs": [_finite(one.logprob) for one in tokens],
        "top_logprobs": [
            {_name(token, tokenizer): _finite(value) for token, value in reversed((*one.top, (one.token, one.logprob)))}
            for one in tokens
        ],
        "text_offset": offsets,
    }


def _entry(token: int, logprob: float, tokenizer: Tokenizer) -> dict[str, Any]:
    data = tokenizer.token_bytes(token)
    return {"token": _name(token, tokenizer), "logprob": _finite(logprob), "bytes": list(data)}


def _name(token: int, tokenizer: Tokenizer) -> str:
    return tokenizer.token_bytes(token).decode(errors="replace")


def _finite(logprob: float) -> float:
    return max(logprob, _LEAST)
