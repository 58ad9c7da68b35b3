"""What one row is sampled with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from samplerd.edit_list import MOST_BIASED, Wishes

from sampler import checks

_REAL = {
    "temperature": (0.0, float(np.finfo(np.float32).max)),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "repetition_penalty": (0.01, 100.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
}
_MOST_BIAS = 100.0


@dataclass(frozen=True)
class SamplingParams:
    """The parameters of one row; every default is off, and `seed=None` draws 64 random bits for each call.

    Numbers may be Python's, NumPy's or JAX's. Raises ValueError, with the field's name first, for anything out of
    range; nothing is clipped.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] | None = field(default=None, hash=False)
    allowed_ids: Sequence[int] | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in _REAL.items():
            self._keep(name, checks.real(name, getattr(self, name), low, high))
        self._keep("top_k", checks.whole("top_k", self.top_k, -1, 2**31 - 1))
        if self.seed is not None:
            self._keep("seed", checks.whole("seed", self.seed, -(2**63), 2**64 - 1))
        if self.logit_bias is not None:
            self._keep("logit_bias", checks.biases("logit_bias", self.logit_bias, _MOST_BIAS, MOST_BIASED))
        if self.allowed_ids is not None:
            allowed = checks.whole_numbers("allowed_ids", self.allowed_ids, checks.LARGEST_ID)
            if not allowed:
                raise ValueError("allowed_ids: needs at least one id; leave it out to allow all")
            self._keep("allowed_ids", tuple(allowed))

    def _keep(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)  # of a frozen dataclass: the value as it was checked, and a copy

    def wishes(self, vocabulary: int) -> Wishes:
        """The edits. Raises ValueError for ids that the vocabulary does not have."""
        bias = tuple((self.logit_bias or {}).items())
        allowed = None if self.allowed_ids is None else tuple(self.allowed_ids)
        for name, ids in (("logit_bias", [token for token, _ in bias]), ("allowed_ids", allowed or ())):
            if ids and max(ids) >= vocabulary:
                raise ValueError(f"{name}: there is no token {max(ids)} in a vocabulary of {vocabulary}")
        return Wishes(allowed, bias, self.repetition_penalty, self.presence_penalty, self.frequency_penalty)
