"""One request of the load generator, in the OpenAI form."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from quality_contract import CLASS_HEADER

Api = Literal["chat", "completions"]
STANDARD, LONG = "standard", "long"
"""Context classes, for a release that has them: one question, or several at once."""
QUESTIONS_AT_ONCE = 5
PATHS: dict[str, str] = {"chat": "/v1/chat/completions", "completions": "/v1/completions"}


@dataclass(frozen=True, slots=True)
class Ask:
    """A prompt and how its answer is to be drawn. The same ask draws the same tokens from a right sampler."""

    prompt: str
    seed: int
    temperature: float = 0.7
    top_p: float = 0.99
    top_k: int | None = None
    max_tokens: int = 12
    context_class: str = ""
    """What the client says of its size, truly; nothing where there are no classes."""

    def headers(self) -> dict[str, str]:
        """Return the headers of the request."""
        return {CLASS_HEADER: self.context_class} if self.context_class else {}

    def body(self, model: str, api: Api = "chat") -> dict[str, Any]:
        """Return the JSON body of the request."""
        question: dict[str, Any] = (
            {"messages": [{"role": "user", "content": self.prompt}]} if api == "chat" else {"prompt": self.prompt}
        )
        drawn = {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": self.max_tokens, "seed": self.seed}
        return {"model": model, **question, **drawn, **({} if self.top_k is None else {"top_k": self.top_k})}

    def described(self) -> str:
        """How the answer was drawn, for people."""
        top_k = "" if self.top_k is None else f", top_k {self.top_k}"
        return f"temperature {self.temperature:g}, top_p {self.top_p:g}{top_k}, seed {self.seed}"


@dataclass(frozen=True, slots=True)
class Reply:
    """The part of an answer that the demo needs."""

    text: str
    fingerprint: str
    tokens: int

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Reply:
        """Read an answer of either endpoint. Raises KeyError, IndexError or TypeError on any other shape."""
        choice = body["choices"][0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        tokens = (body.get("usage") or {}).get("completion_tokens") or 0
        return cls(text=str(text or ""), fingerprint=str(body.get("system_fingerprint") or ""), tokens=int(tokens))


class AskSource:
    """Draws asks without end: a random question, a random seed, top-k in a part of them.

    With a ``long_share`` above 0 each says its context class, and that share of them asks several questions at once.
    """

    def __init__(
        self,
        prompts: Sequence[str],
        *,
        max_tokens: int,
        top_k: int,
        top_k_share: float,
        rng: random.Random,
        long_share: float = 0.0,
    ) -> None:
        if not prompts:
            raise ValueError("prompts: at least one is needed")
        self._long_share = long_share
        self._prompts = prompts
        self._max_tokens = max_tokens
        self._top_k = top_k
        self._top_k_share = top_k_share
        self._rng = rng

    def next(self) -> Ask:
        """Draw one."""
        limited = self._rng.random() < self._top_k_share
        prompt, context_class = self._prompt()
        return Ask(
            prompt=prompt,
            context_class=context_class,
            seed=self._rng.getrandbits(31),
            top_k=self._top_k if limited else None,
            max_tokens=self._max_tokens,
        )

    def _prompt(self) -> tuple[str, str]:
        """The text, and its class where there are classes."""
        if not self._long_share:
            return self._rng.choice(self._prompts), ""
        if self._rng.random() >= self._long_share:
            return self._rng.choice(self._prompts), STANDARD
        several = (self._rng.choice(self._prompts) for _ in range(QUESTIONS_AT_ONCE))
        return " ".join(["Answer all of these.", *several]), LONG
