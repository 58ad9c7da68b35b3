"""A toy model for tests that need speed, not words: it starts at once and babbles English words.

It goes through the same engine, sampler, audit and server as a real model. Its next token depends on the last one and,
through the cache, on the one before, so that a mixed-up slot or position shows in the text. A few tokens are letters of
other scripts, or the lead bytes of such letters; the model hardly ever says them.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from samplerd.model import Head, Model

NAME = "synthetic"

END, TURN_START, TURN_END = 0, 1, 2
_FIRST_BYTE = 3
_TEXT = """
the of and to in is was that for it as with on be by he this are or his from at which but have an had they you
were their one all we can her has there been if more when will would who so no out up into them then she time
some could what make like him see now look only come its over think also back after use two how our work first
well way even new want because any these give day most us water light stone river summer garden window bread
music letter paper colour house tree bird cloud morning evening city road story friend table coffee winter
silver gold quiet bright small large open green blue red walk speak write read find keep hold turn begin answer
question number name place hand eye heart mind world
"""
_WORDS = tuple(_TEXT.split())
_RARE_LETTERS = "กขคงจชดตนมภยรลวสหอ中国人大小水火山日月жшщюяфбдлцאבגדהابتثج"
_LEADS = (b"\xe0\xb8", b"\xe0\xb9")  # what Thai letters begin with


class ToyTokenizer:
    """Bytes, a few whole words, and a few rare letters."""

    def __init__(self) -> None:
        words = [f" {word}".encode() for word in dict.fromkeys(_WORDS)] + [b".", b",", b"\n"]
        rare = [letter.encode() for letter in _RARE_LETTERS]
        single = [bytes([value]) for value in range(256)]
        self._bytes = [b"", b"", b"", *single, *words, *rare, *_LEADS]
        self._ids = {piece: index for index, piece in enumerate(self._bytes) if index >= _FIRST_BYTE}
        self._pieces = re.compile(rb" [a-z]+(?![a-z])|.", re.DOTALL)
        self.words = [self._ids[word] for word in words]
        self.rare = [self._ids[piece] for piece in (*rare, *_LEADS)]
        self.leads = [self._ids[piece] for piece in _LEADS]
        self.end_ids = frozenset({END, TURN_END})
        self.longest_token = max(map(len, self._bytes))
        self.size = len(self._bytes)

    def encode(self, text: str) -> list[int]:
        """Whole words where they are known, else bytes; never a special token."""
        ids: list[int] = []
        for piece in self._pieces.findall(text.encode()):
            known = self._ids.get(piece)
            ids += [known] if known is not None else [self._ids[bytes([value])] for value in piece]
        return ids

    def encode_chat(self, turns: Sequence[tuple[str, str]]) -> list[int]:
        """Turns between special tokens, ending where the assistant is to speak."""
        ids: list[int] = []
        for role, content in turns:
            ids += [TURN_START, *self.encode(f"{role}\n{content}"), TURN_END]
        return [*ids, TURN_START, *self.encode("assistant\n")]

    def token_bytes(self, token: int) -> bytes:
        """The bytes a token stands for; none for special tokens."""
        return self._bytes[token]


class ToyWeights(NamedTuple):
    """Logits of the next token by the last token and by the one before it, [V, V] each."""

    after_last: jax.Array
    after_previous: jax.Array


def load(context: int) -> Model:
    """Make the toy model; the same one every time."""
    tokenizer = ToyTokenizer()
    return Model(
        name=NAME,
        vocabulary=tokenizer.size,
        context=context,
        tokenizer=tokenizer,
        weights=_weights(tokenizer),
        empty_cache=lambda slots: jnp.zeros((slots, context), jnp.int32),
        body=_body,
        head=Head(matrices=lambda weights: weights, logits=_head, token_axis=1),
        prefill=_prefill,
    )


def _weights(tokenizer: ToyTokenizer) -> ToyWeights:
    generator = np.random.default_rng(2025)
    size = tokenizer.size
    base = np.full(size, -8.0, np.float32)
    base[tokenizer.words] = np.linspace(5, 1, len(tokenizer.words))
    base[tokenizer.rare] = -11.0
    base[END] = 2.0
    after_last = base + _noise(generator, size, 1.5)
    continuation = slice(_FIRST_BYTE + 0x81, _FIRST_BYTE + 0xAF)  # completes a Thai letter
    for lead in tokenizer.leads:
        after_last[lead, continuation] += 16.0
    return ToyWeights(jnp.asarray(after_last), jnp.asarray(_noise(generator, size, 1.0)))


def _noise(generator: np.random.Generator, size: int, scale: float) -> npt.NDArray[np.float32]:
    return scale * generator.standard_normal((size, size), np.float32)


def _body(
    _weights: ToyWeights, cache: jax.Array, tokens: jax.Array, positions: jax.Array
) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
    """The last token and the one before it, [B] each, and the cache."""
    rows = jnp.arange(tokens.shape[0])
    cache = cache.at[rows, positions].set(tokens)
    return (tokens, cache[rows, jnp.maximum(positions - 1, 0)]), cache


def _head(weights: ToyWeights, state: tuple[jax.Array, jax.Array]) -> jax.Array:
    last, previous = state
    return weights.after_last[last] + weights.after_previous[previous]


def _prefill(_weights: ToyWeights, cache: jax.Array, tokens: jax.Array, start: jax.Array, slot: jax.Array) -> jax.Array:
    return cache.at[slot, start + jnp.arange(tokens.shape[0])].set(tokens)
