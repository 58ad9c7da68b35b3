"""One request as the engine sees it: what is asked, what has come so far, and when it is done."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from samplerd.edit_list import NO_WISHES, Wishes
from samplerd.text_stream import TextStream
from samplerd.tokenizer import Tokenizer

INVALID_LOGITS = "the model gave logits that are not numbers"
NO_SUCH_TOKEN = "the sampler gave a token that does not exist"  # noqa: S105
_SEED_STEP = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio, made odd: seeds that clients count up do not meet each other's further answers."""


@dataclass(frozen=True)
class Ask:
    """What a request wants. Off values: temperature 0, top_k 0, top_p 1."""

    prompt: tuple[int, ...]
    max_tokens: int
    seed: int
    """64 bits."""
    seed_drawn: bool = False
    """The server drew the seed. A client's own may be the same in every request: such draws calibrate nothing."""
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    min_p: float = 0.0
    wishes: Wishes = NO_WISHES
    top_logprobs: int | None = None
    """How many alternatives to report with each token's log-probability; None: no log-probabilities at all."""


def choices(ask: Ask, count: int) -> list[Ask]:
    """What each of several answers to one request wants: the same but for the seed (docs/sampling.md).

    They hold the very same prompt: by that the engine knows that it needs to be read only once.
    """
    return [replace(ask, seed=(ask.seed + index * _SEED_STEP) % 2**64) for index in range(count)]


@dataclass(frozen=True)
class TokenLogprobs:
    """A token's log-probability in nats, and the best tokens with theirs."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Piece:
    """Text that is now certain; may be empty, as a token may end within a character."""

    text: str
    logprobs: TokenLogprobs | None = None
    """Of the token that has just come, if wanted and if it was not the one that ended the answer."""


@dataclass(frozen=True)
class Finished:
    """The answer is complete. `reason` is OpenAI's: "stop" or "length"."""

    reason: str


@dataclass(frozen=True)
class Failed:
    """The server could not answer."""

    message: str


Event = Piece | Finished | Failed


@dataclass
class Generation:
    """A request under way. `emit` is called from the engine's thread."""

    ask: Ask
    tokenizer: Tokenizer
    emit: Callable[[Event], None]
    tokens: list[int] = field(default_factory=list)
    first_token_at: float | None = None
    last_token_at: float | None = None

    def __post_init__(self) -> None:
        self._text = TextStream(self.ask.stop)
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Nobody wants the answer any more; the engine frees the slot before its next step."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def accept(self, token: int, now: float, logprobs: TokenLogprobs | None = None) -> bool:
        """Take the next token, drawn at the monotonic time `now`; true if the answer is complete with it."""
        self.tokens.append(token)
        self.first_token_at = self.first_token_at or now
        self.last_token_at = now
        at_end = token in self.tokenizer.end_ids
        text = "" if at_end else self._text.push(self.tokenizer.token_bytes(token))
        reason = self._reason(at_end)
        if reason is None:
            self.emit(Piece(text, logprobs))
            return False
        self.emit(Piece(text + self._text.finish(), None if at_end else logprobs))
        self.emit(Finished(reason))
        return True

    def _reason(self, at_end: bool) -> str | None:
        if at_end or self._text.stopped:
            return "stop"
        return "length" if len(self.tokens) >= self.ask.max_tokens else None

    def fail(self, message: str) -> None:
        """The engine cannot go on with this request."""
        self.emit(Failed(message))
