"""What one row is sampled with."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from samplerd.edit_list import MOST_BIASED, Wishes

_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 3e38),
    "top_k": (-1, 2**31 - 1),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "repetition_penalty": (0.01, 100.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
    "seed": (-(2**63), 2**64 - 1),
}
_WHOLE = ("top_k", "seed")
_MOST_BIAS = 100.0


@dataclass(frozen=True)
class SamplingParams:
    """The parameters of one row; every default is off, and `seed=None` draws 64 random bits for each call.

    Raises ValueError, with the field's name first, for anything out of range; nothing is clipped.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] | None = None
    allowed_ids: Sequence[int] | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            _check(name, getattr(self, name), low, high)
        if self.logit_bias is not None:
            self._check_bias(self.logit_bias)
        if self.allowed_ids is not None:
            if not len(self.allowed_ids):
                raise ValueError("allowed_ids: needs at least one id; leave it out to allow all")
            for token in self.allowed_ids:
                _check("allowed_ids", token, 0, 2**31 - 1, whole=True)

    def _check_bias(self, bias: Mapping[int, float]) -> None:
        if len(bias) > MOST_BIASED:
            raise ValueError(f"logit_bias: at most {MOST_BIASED} tokens, not {len(bias)}")
        for token, value in bias.items():
            _check("logit_bias", token, 0, 2**31 - 1, whole=True)
            _check("logit_bias", value, -_MOST_BIAS, _MOST_BIAS)

    def wishes(self, vocabulary: int) -> Wishes:
        """The edits. Raises ValueError for ids that the vocabulary does not have."""
        bias = tuple((self.logit_bias or {}).items())
        allowed = None if self.allowed_ids is None else tuple(int(token) for token in self.allowed_ids)
        for name, ids in (("logit_bias", [token for token, _ in bias]), ("allowed_ids", allowed or ())):
            if ids and max(ids) >= vocabulary:
                raise ValueError(f"{name}: there is no token {max(ids)} in a vocabulary of {vocabulary}")
        return Wishes(allowed, bias, self.repetition_penalty, self.presence_penalty, self.frequency_penalty)


def _check(name: str, value: object, low: float, high: float, *, whole: bool | None = None) -> None:
    whole = name in _WHOLE if whole is None else whole
    if value is None and name == "seed":
        return
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise ValueError(f"{name}: needs {'a whole number' if whole else 'a number'}, not {value!r}")
    if not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"{name}: must be from {low:g} to {high:g}, not {value!r}")
