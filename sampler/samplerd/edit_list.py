"""The host's half of `edits`: keeps each request's list of touched tokens as its answer grows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from samplerd.edits import Edits
from samplerd.rows import SMALLEST_NORMAL

MOST_BIASED = 300
"""Tokens that one request may bias; OpenAI's limit."""


@dataclass(frozen=True)
class Wishes:
    """The edits that a request asks for. Each field's default is off."""

    allowed_ids: tuple[int, ...] | None = None
    logit_bias: tuple[tuple[int, float], ...] = ()
    """Token and bias; each token once."""
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0

    @property
    def any(self) -> bool:
        """Whether there is any edit at all."""
        return self != NO_WISHES

    @property
    def penalties(self) -> bool:
        """Whether the edits depend on the tokens seen."""
        return (self.repetition_penalty, self.presence_penalty, self.frequency_penalty) != (1.0, 0.0, 0.0)


NO_WISHES = Wishes()


class EditList:
    """The edits of one request, brought up to date token by token; `write` copies them into a row of a batch."""

    def __init__(self, wishes: Wishes, prompt: Sequence[int], *, capacity: int, vocabulary: int) -> None:
        """`capacity` must hold all biased tokens and, with penalties, all tokens of prompt and answer."""
        self._wishes = wishes
        self._places: dict[int, int] = {}
        self._counts: dict[int, int] = {}
        self._ids = np.full(capacity, vocabulary, np.int32)
        self._bias = np.zeros(capacity, np.float32)
        self._seen = np.zeros(capacity, np.bool_)
        self._subtract = np.zeros(capacity, np.float32)
        self._allowed = packed(wishes.allowed_ids, vocabulary)
        for token, bias in wishes.logit_bias:
            self._bias[self._place(token)] = _without_tiny(np.float32(bias))
        if wishes.penalties:
            for token in prompt:
                self._seen[self._place(token)] = True

    def _place(self, token: int) -> int:
        place = self._places.setdefault(token, len(self._places))
        self._ids[place] = token
        return place

    def push(self, token: int) -> None:
        """A token was drawn."""
        if not self._wishes.penalties:
            return
        place = self._place(token)
        count = self._counts[token] = self._counts.get(token, 0) + 1
        self._seen[place] = True
        self._subtract[place] = _price(self._wishes, count)

    def write(self, edits: Edits, row: int) -> None:
        """Fill one row of a batch made by `no_edits`."""
        used = len(self._places)
        for array, mine in (
            (edits.ids, self._ids),
            (edits.bias, self._bias),
            (edits.seen, self._seen),
            (edits.subtract, self._subtract),
        ):
            np.asarray(array)[row, :used] = mine[:used]
        np.asarray(edits.repetition)[row] = self._wishes.repetition_penalty
        np.asarray(edits.allowed)[row] = self._allowed
        np.asarray(edits.restricted)[row] = self._wishes.allowed_ids is not None
        np.asarray(edits.active)[row] = True


def _price(wishes: Wishes, count: int) -> np.float32:
    """Presence + frequency x count in float32. Here and not on the device, where the two could be fused into one."""
    product = _without_tiny(np.float32(wishes.frequency_penalty) * np.float32(count))
    return _without_tiny(_without_tiny(np.float32(wishes.presence_penalty)) + product)


def _without_tiny(value: np.float32) -> np.float32:
    return value if abs(value) >= SMALLEST_NORMAL else np.float32(0)


def packed(ids: Sequence[int] | None, vocabulary: int) -> npt.NDArray[np.uint32]:
    """A set of ids as bits: id i is bit i % 32 of word i / 32; little-endian, as all of JAX's platforms are."""
    bits = np.zeros(-(-vocabulary // 32) * 32, np.uint8)
    if ids is not None:
        bits[list(ids)] = 1
    return np.packbits(bits, bitorder="little").view("<u4")


def no_edits(rows: int, *, capacity: int, vocabulary: int) -> Edits:
    """A batch in which no row is edited, in NumPy arrays that `EditList.write` may fill."""
    return Edits(
        ids=np.full((rows, capacity), vocabulary, np.int32),
        bias=np.zeros((rows, capacity), np.float32),
        seen=np.zeros((rows, capacity), np.bool_),
        subtract=np.zeros((rows, capacity), np.float32),
        repetition=np.ones(rows, np.float32),
        allowed=np.zeros((rows, -(-vocabulary // 32)), np.uint32),
        restricted=np.zeros(rows, np.bool_),
        active=np.zeros(rows, np.bool_),
    )
