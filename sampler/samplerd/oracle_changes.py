"""The oracle's part that changes single logits: allowed ids, bias, penalties; from docs/sampling.md alone."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Changes:
    """What a request asks to change, and the tokens that its penalties depend on."""

    allowed_ids: tuple[int, ...] | None = None
    logit_bias: tuple[tuple[int, float], ...] = ()
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    prompt: tuple[int, ...] = ()
    output: tuple[int, ...] = ()


NO_CHANGES = Changes()


def without_tiny(values: Floats) -> Floats:
    """-0 and subnormals as +0."""
    return np.where(np.abs(values) < np.float32(2.0**-126), np.float32(0), values)


def _rounded(value: np.float32) -> np.float32:
    return np.float32(0) if abs(value) < np.float32(2.0**-126) else value


def changed(row: Floats, changes: Changes) -> Floats:
    """The row after allowed ids, bias and penalties, token by token."""
    new = np.full_like(row, -np.inf) if changes.allowed_ids is not None else row.copy()
    for token in changes.allowed_ids or ():
        new[token] = row[token]
    with np.errstate(over="ignore", invalid="ignore"):
        for token, bias in changes.logit_bias:
            new[token] = _rounded(new[token] + _rounded(np.float32(bias)))
        for token in {*changes.prompt, *changes.output}:
            new[token] = _repeated(new[token], np.float32(changes.repetition_penalty))
        for token, count in Counter(changes.output).items():
            new[token] = _rounded(new[token] - _price(changes, count))
    return new


def _repeated(value: np.float32, penalty: np.float32) -> np.float32:
    return _rounded(value / penalty if value > 0 else value * penalty)


def _price(changes: Changes, count: int) -> np.float32:
    product = _rounded(np.float32(changes.frequency_penalty) * np.float32(count))
    return _rounded(_rounded(np.float32(changes.presence_penalty)) + product)
