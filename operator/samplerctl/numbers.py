"""Numbers as people write them: ``0.8%`` or ``0.008``, and as they read them."""

from __future__ import annotations

import math

from samplerctl.errors import InputError


def rate(name: str, text: str, *, zero: bool = False) -> float:
    """A share between 0 and 1 (both excluded, but for ``zero``), with or without a per cent sign."""
    found = number(name, text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
    if not (0 < found < 1 or (zero and found == 0)):
        raise InputError(f"{name}: {text!r} is not a share between 0 and 1: write it such as 0.8% or 0.008")
    return found


def number(name: str, text: str) -> float:
    """Any finite number."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise InputError(f"{name}: {text!r} is not a number")
    return found


def at_least(name: str, text: str, least: float) -> float:
    """A number of at least so much."""
    found = number(name, text)
    if found < least:
        raise InputError(f"{name}: {text!r} is below {least:g}")
    return found


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
