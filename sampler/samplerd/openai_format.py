"""Answers in OpenAI's form: whole, or in pieces."""

import json
import time
import uuid
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Any

from samplerd.generation import TokenLogprobs
from samplerd.openai_logprobs import chat_logprobs, completion_logprobs
from samplerd.tokenizer import Tokenizer


def sse(data: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


SSE_DONE = b"data: [DONE]\n\n"


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """OpenAI's token counts."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


class AnswerForm(ABC):
    """The parts that all pieces of one answer share."""

    prefix: str
    whole_object: str
    piece_object: str

    def __init__(self, model: str, fingerprint: str) -> None:
        self._model = model
        self._fingerprint = fingerprint
        self._id = f"{self.prefix}-{uuid.uuid4().hex}"
        self._created = int(time.time())

    def _envelope(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._model,
            "system_fingerprint": self._fingerprint,
            "choices": choices,
        }

    def choice(self, index: int, text: str, reason: str, logprobs: dict[str, Any] | None) -> dict[str, Any]:
        """One of the answers of `whole`."""
        return {"index": index, **self._whole_content(text), "logprobs": logprobs, "finish_reason": reason}

    def whole(self, choices: list[dict[str, Any]], counts: dict[str, int]) -> dict[str, Any]:
        """All answers to a request."""
        return {**self._envelope(self.whole_object, choices), "usage": counts}

    def piece(
        self,
        index: int,
        text: str,
        reason: str | None = None,
        *,
        first: bool = False,
        logprobs: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """A piece of a streamed answer; the last one carries the reason."""
        content = self._piece_content(text, first=first)
        choice = {"index": index, **content, "logprobs": logprobs, "finish_reason": reason}
        return self._envelope(self.piece_object, [choice])

    def counts(self, counts: dict[str, int]) -> dict[str, Any]:
        """The event with the token counts, without any choice."""
        return {**self._envelope(self.piece_object, []), "usage": counts}

    @abstractmethod
    def logprobs(self, index: int, tokens: Sequence[TokenLogprobs], tokenizer: Tokenizer) -> dict[str, Any]:
        """Log-probabilities of the next tokens of an answer."""

    @abstractmethod
    def _whole_content(self, text: str) -> dict[str, Any]: ...

    @abstractmethod
    def _piece_content(self, text: str, *, first: bool) -> dict[str, Any]: ...


class CompletionForm(AnswerForm):
    """`/v1/completions`."""

    prefix = "cmpl"
    whole_object = piece_object = "text_completion"

    def __init__(self, model: str, fingerprint: str) -> None:
        super().__init__(model, fingerprint)
        self._offsets: Counter[int] = Counter()

    def logprobs(self, index: int, tokens: Sequence[TokenLogprobs], tokenizer: Tokenizer) -> dict[str, Any]:
        """Lists side by side, and where in the answer each token begins."""
        made = completion_logprobs(tokens, tokenizer, self._offsets[index])
        self._offsets[index] += sum(map(len, made["tokens"]))
        return made

    def _whole_content(self, text: str) -> dict[str, Any]:
        return {"text": text}

    def _piece_content(self, text: str, *, first: bool) -> dict[str, Any]:
        del first
        return {"text": text}


class ChatForm(AnswerForm):
    """`/v1/chat/completions`."""

    prefix = "chatcmpl"
    whole_object = "chat.completion"
    piece_object = "chat.completion.chunk"

    def logprobs(self, index: int, tokens: Sequence[TokenLogprobs], tokenizer: Tokenizer) -> dict[str, Any]:
        """A list of tokens."""
        del index
        return chat_logprobs(tokens, tokenizer)

    def _whole_content(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text}}

    def _piece_content(self, text: str, *, first: bool) -> dict[str, Any]:
        return {"delta": {**({"role": "assistant"} if first else {}), **({"content": text} if text else {})}}
