"""Text to token ids and back.

Text from users is encoded with special tokens out of sight: "<|im_end|>" in a prompt is ten characters of text, not
the end of a turn. Decoding works on bytes, because a token may hold a part of a character only.
"""

from collections.abc import Sequence
from typing import Protocol

from tokenizers import Tokenizer as Encoder
from tokenizers import models, pre_tokenizers

from samplerd.model_file import ModelFile

_CONTROL_TOKEN = 3
"""GGUF's token type of control tokens: they have no text of their own."""


class Tokenizer(Protocol):
    """What the server needs of a tokenizer."""

    @property
    def end_ids(self) -> frozenset[int]:
        """The tokens that end an answer."""

    @property
    def longest_token(self) -> int:
        """The most bytes that one token stands for: a text of n bytes has at least n / longest_token tokens."""

    def encode(self, text: str) -> list[int]:
        """Encode untrusted text; special tokens are never produced."""

    def encode_chat(self, turns: Sequence[tuple[str, str]]) -> list[int]:
        """Encode (role, content) turns with the model's own template, ending where the assistant is to speak."""

    def token_bytes(self, token: int) -> bytes:
        """The bytes a token stands for; none for special tokens."""


def byte_alphabet() -> dict[str, int]:
    """GPT-2's alphabet: the printable character that stands for each byte in a byte-level vocabulary."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    alphabet = {chr(byte): byte for byte in printable}
    return alphabet | {chr(256 + index): byte for index, byte in enumerate(others)}


class SmolTokenizer:
    """The tokenizer stored in SmolLM2's file: byte-level BPE, each digit by itself."""

    _SYSTEM = ("system", "You are a helpful AI assistant named SmolLM, trained by Hugging Face")

    def __init__(self, file: ModelFile) -> None:
        pieces = file.texts("tokenizer.ggml.tokens")
        types = file.numbers("tokenizer.ggml.token_type")
        self._encoder = _byte_level_encoder(pieces, file.texts("tokenizer.ggml.merges"))
        alphabet = byte_alphabet()
        self._bytes = [
            b"" if kind == _CONTROL_TOKEN else bytes(alphabet[character] for character in piece)
            for piece, kind in zip(pieces, types, strict=True)
        ]
        self.longest_token = max(map(len, self._bytes))
        self._turn_start = int(file.number("tokenizer.ggml.bos_token_id"))
        self._turn_end = int(file.number("tokenizer.ggml.eos_token_id"))
        unknown = int(file.number("tokenizer.ggml.unknown_token_id"))  # <|endoftext|>: ends a raw text
        self.end_ids = frozenset({self._turn_end, unknown})

    def encode(self, text: str) -> list[int]:
        """Encode untrusted text; special tokens are never produced."""
        ids: list[int] = self._encoder.encode(text, add_special_tokens=False).ids
        return ids

    def encode_chat(self, turns: Sequence[tuple[str, str]]) -> list[int]:
        """Encode (role, content) turns with the model's template; a missing system turn gets the model's own."""
        if not turns or turns[0][0] != "system":
            turns = [self._SYSTEM, *turns]
        ids: list[int] = []
        newline = self.encode("\n")
        for role, content in turns:
            ids += [self._turn_start, *self.encode(f"{role}\n{content}"), self._turn_end, *newline]
        return [*ids, self._turn_start, *self.encode("assistant\n")]

    def token_bytes(self, token: int) -> bytes:
        """The bytes a token stands for; none for special tokens."""
        return self._bytes[token]


def _byte_level_encoder(pieces: list[str], merges: list[str]) -> Encoder:
    """Build the encoder without its special tokens, so that no text can ever become one."""
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    encoder = Encoder(models.BPE(vocab=vocabulary, merges=pairs))
    encoder.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return encoder
