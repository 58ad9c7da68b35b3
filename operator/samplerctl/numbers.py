"""Numbers as people write them: ``0.8%`` or ``0.008``, and as they read them."""

from __future__ import annotations

import math

from samplerctl.errors import InputError

MOST = 1e6
"""The most requests a second, seconds or tokens that anything is computed for."""


def rate(name: str, text: str, *, zero: bool = False, least: float = 0.0, below: float = 1.0) -> float:
    """A share above 0 (or 0 itself, with ``zero``) and below 1, with or without a per cent sign.

    ``least`` and ``below`` are narrower limits, for what is asked of it.
    """
    found = _finite(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
    if math.isnan(found):
        raise InputError(f"{name}: {text!r} is not a share: write it such as 0.8% or 0.008")
    if zero and found == 0:
        return found
    if not 0 < found < 1:
        wanted = "0, or above it and below 1" if zero else "above 0 and below 1, both excluded"
        raise InputError(f"{name}: {text!r} is no such share: write one {wanted}, such as 0.8% or 0.008")
    if found < least:
        raise InputError(f"{name}: {text!r} is too small to be shown by any traffic: write at least {least:g}")
    if found >= below:
        raise InputError(f"{name}: {text!r} is too large: write a share below {percent(below)}")
    return found


def _finite(text: str) -> float:
    """NaN for what is no finite number."""
    try:
        found = float(text)
    except ValueError:
        return math.nan
    return found if math.isfinite(found) else math.nan


def at_least(name: str, text: str, least: float, most: float = MOST) -> float:
    """A number of at least so much, and no more than ``most``."""
    found = _finite(text)
    if math.isnan(found):
        raise InputError(f"{name}: {text!r} is not a number: write it such as {least + 1:g}")
    if found < least:
        raise InputError(f"{name}: {text!r} is below {least:g}: write {least:g} or more")
    if found > most:
        raise InputError(f"{name}: {text!r} is too large: write at most {most:,.0f}")
    return found


def amount(name: str, value: float, *, zero: bool = False) -> float:
    """A finite number above 0 (or 0 itself, with ``zero``), such as requests a second."""
    if not (0 < value <= MOST or (zero and value == 0)):  # never so for NaN
        least = "0, or more," if zero else "above 0"
        raise InputError(f"{name}: {value:g} is not {least} and at most {MOST:,.0f}: write a number such as 10")
    return value


def figure(value: float) -> str:
    """Any number, with up to three significant digits, or all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def percent(value: float) -> str:
    """A share as a percentage with up to three significant digits."""
    return f"{value * 100:.3g}%"


def duration(seconds: float) -> str:
    """Seconds as people say them, with two units at the most."""
    whole = round(seconds)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{seconds:.3g} s"
