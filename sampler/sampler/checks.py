"""What callers may give, as the sampler wants it: Python's, NumPy's and JAX's numbers alike, nothing clipped or cut.

Each ValueError names the field first, and then what it needs.
"""

import math
import numbers
import operator
from collections.abc import Mapping, Sequence, Set
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

Ids = Sequence[int] | npt.NDArray[np.integer[Any]] | jax.Array
"""A row of token ids, or of positions."""
LARGEST_ID = 2**31 - 1
_FLOATS = (jnp.bfloat16, jnp.float16, jnp.float32, jnp.float64)
_SHOWN = 60
"""Characters of a wrong value."""


def whole(name: str, value: object, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise _wrong(name, "a whole number", value) from None
    if isinstance(value, bool) or getattr(value, "dtype", None) == np.bool_:
        raise _wrong(name, "a whole number", value)
    if not low <= number <= high:
        raise ValueError(f"{name}: must be from {low} to {high}, not {number}")
    return number


def real(name: str, value: Any, low: float, high: float) -> float:
    """A number from `low` to `high`."""
    found = value.item() if getattr(value, "ndim", None) == 0 and not isinstance(value, jax.core.Tracer) else value
    if isinstance(found, bool) or not isinstance(found, numbers.Real):
        raise _wrong(name, "a number", value)
    try:
        number = float(found)
    except OverflowError:  # a whole number of hundreds of digits
        number = math.inf
    if not low <= number <= high:
        raise ValueError(f"{name}: must be from {low:.9g} to {high:.9g}, not {found!r}")
    return number


def whole_numbers(name: str, values: object, high: int) -> list[int]:
    """A list, set or 1-D array of whole numbers from 0 to `high`."""
    needs = f"a list of whole numbers from 0 to {high}"
    try:
        array = np.asarray(list(values) if isinstance(values, Set) else values)
    except jax.errors.TracerArrayConversionError:
        raise ValueError(f"{name}: under jax.jit only logits may be traced: give numbers") from None
    except (TypeError, ValueError):  # of different lengths
        raise _wrong(name, needs, values) from None
    if array.shape == (0,):
        return []
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise _wrong(name, needs, values)
    outside = array[(array < 0) | (array > high)]
    if outside.size:
        raise ValueError(f"{name}: must be from 0 to {high}, not {outside[0]}")
    return [int(number) for number in array]


def histories(name: str, given: Any, rows: int, vocabulary: int) -> list[list[int]]:
    """Token ids of each row; none without `given`."""
    if given is None:
        return [[]] * rows
    try:
        listed = list(given)
    except TypeError:
        raise _wrong(name, "a list of token ids for each row", given) from None
    count(name, len(listed), rows)
    return [whole_numbers(f"{name}[{row}]", ids, vocabulary - 1) for row, ids in enumerate(listed)]


def biases(name: str, given: object, bound: float, most: int) -> dict[int, float]:
    """Numbers of at most `bound`, either way, by token id."""
    if not isinstance(given, Mapping):
        raise _wrong(name, "a number for each token id, as a dict", given)
    if len(given) > most:
        raise ValueError(f"{name}: at most {most} tokens, not {len(given)}")
    return {
        whole(name, token, 0, LARGEST_ID): real(f"{name}[{token}]", value, -bound, bound)
        for token, value in given.items()
    }


def floats(logits: Any, shape: str) -> jax.Array:
    """Logits of as many dimensions as `shape` has letters, in a type that the sampler has; float64 is rounded."""
    try:
        with np.errstate(over="ignore"):  # what is too large for a float32 is infinite, and its row invalid
            array = jnp.asarray(logits)
    except (TypeError, ValueError):  # of different lengths, of text
        raise _wrong("logits", f"an array [{shape}] of floats", logits) from None
    if array.dtype not in _FLOATS:
        raise ValueError(f"logits: needs bfloat16, float16 or float32, not {array.dtype}: convert with .astype(...)")
    dimensions = shape.count(",") + 1
    if array.ndim != dimensions or not array.shape[-1]:
        raise ValueError(f"logits: needs the shape [{shape}] with at least one token, not {list(array.shape)}")
    return array.astype(jnp.float32) if array.dtype == jnp.float64 else array


def count(name: str, entries: int, rows: int) -> None:
    """One entry a row."""
    if entries != rows:
        raise ValueError(f"{name}: {entries} entries for {rows} rows of logits")


def all_of(name: str, kind: type, given: object, rows: int) -> None:
    """A list of one kind of object, one a row."""
    if not isinstance(given, Sequence) or not all(isinstance(one, kind) for one in given):
        raise _wrong(name, f"a list of {kind.__name__}, one a row of logits", given)
    count(name, len(given), rows)


def _wrong(name: str, needs: str, value: object) -> ValueError:
    shown = repr(value)
    return ValueError(f"{name}: needs {needs}, not {shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '...'}")
