"""Hidden states whose product with one matrix has logits of every nature, so that one program draws from all of them.

The first rows of the matrix hold a nature each; a hidden state chooses one of them, or adds it to noise. What is
masked, infinite or no number comes of an overflow in the dot, as it would in a model.
"""

import numpy as np

from samplerd.preflight.material import NATURES, PARAMETERS, Floats, logits_of, nature_of

HIDDEN = 64
"""Columns of the hidden states."""
_TIES, _ZIPF, _ONES, _PEAK, _SOME, _ALL, _UP, _DOWN = range(8)
_NOISE = 8
"""From this row of the matrix on."""
_INSTEAD = {"ties": _TIES, "zipf": _ZIPF}
"""Natures that stand in a row of the matrix as they are."""
_ADDED = {"peaked": (_PEAK, 25.0), "negative": (_ONES, -1000.0)}
"""Rows of the matrix that are added to noise, and how often."""
_OVERFLOWING = ([_UP, _DOWN], [_UP], [_ALL])
"""What makes one token no number, makes one infinite, masks all."""


def matrix_of(vocabulary: int, dtype: str) -> Floats:
    """The head [HIDDEN, V], before it is rounded to its type."""
    generator, huge = np.random.default_rng([HIDDEN, vocabulary]), _huge(dtype)
    matrix = generator.standard_normal((HIDDEN, vocabulary), np.float32) * np.float32(0.4)
    matrix[:_NOISE] = 0
    for nature, row in _INSTEAD.items():
        matrix[row] = logits_of(NATURES.index(nature) * len(PARAMETERS), vocabulary)
    matrix[_ONES] = 1
    peak, strange = generator.integers(vocabulary, size=2)
    matrix[_PEAK, peak] = 1
    matrix[_SOME] = np.where(generator.standard_normal(vocabulary) > 0.5, 0, -huge)
    matrix[_SOME, vocabulary // 3] = 0
    matrix[_ALL] = -huge
    matrix[_UP, strange], matrix[_DOWN, strange] = huge, -huge
    return matrix


def hidden_of(number: int, dtype: str) -> Floats:
    """The hidden state [HIDDEN] of the sweep's row `number`. Every other one is noise: its logits are the most rounded.

    (What a compiler does not round for one reader shows there, and hardly where logits are exact.)
    """
    hidden = np.random.default_rng([number, HIDDEN]).standard_normal(HIDDEN, np.float32)
    hidden[:_NOISE] = 0
    nature = nature_of(number) if number % 2 else "normal"
    if nature == "flat":
        hidden *= np.float32(0.02)
    elif nature == "zeros":
        hidden[:] = 0
    elif nature in _INSTEAD:
        hidden[:] = 0
        hidden[_INSTEAD[nature]] = 1
    elif nature in _ADDED:
        row, factor = _ADDED[nature]
        hidden[row] = factor
    elif nature == "masked":
        hidden[_SOME] = _huge(dtype)
    elif nature == "invalid":
        rows = _OVERFLOWING[number % len(_OVERFLOWING)]
        hidden[rows] = _huge(dtype)
        if _DOWN in rows and dtype == "float16":
            hidden[_DOWN] = np.nan  # it is summed in float32, where nothing overflows: then no token is a number
    return hidden


def _huge(dtype: str) -> float:
    """A number of the type whose square is infinite in it."""
    return 2.0**10 if dtype == "float16" else 2.0**70
