"""Durations, ratios and times as the API server writes them: strings, because its conventions bar floats."""

from __future__ import annotations

import re
from datetime import datetime
from fractions import Fraction
from typing import Final

DURATION_PATTERN: Final = "^([0-9]{1,4}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?$"
RATIO_PATTERN: Final = "^[0-9]{1,3}([.][0-9]{1,8})?%?$"
NATS_PATTERN: Final = "^[0-9]([.][0-9]{1,8})?$"
LONGEST_DURATION: Final = 2400 * 3600
"""A hundred days: no rollout is planned for longer, and the metrics source must keep samples for as long."""

_DURATION = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?")
_RATIO = re.compile(r"(\d{1,3}(?:\.\d{1,8})?)(%?)")
_NATS = re.compile(r"\d(?:\.\d{1,8})?")
_QUANTITY = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(\D*)")
_SUFFIXES: Final = {"": Fraction(1), "m": Fraction(1, 1000)} | {
    letter + binary: Fraction(base) ** power
    for binary, base, letters in (("", 1000, "kMGTP"), ("i", 1024, "KMGTP"))
    for power, letter in enumerate(letters, 1)
}
_UNITS: Final = (3600, 60, 1)


def seconds(text: str) -> int:
    """Parse ``90s``, ``5m`` or ``1h30m``; raise ValueError for anything else."""
    match = _DURATION.fullmatch(text)
    if match is None or not text or not text.isascii():
        raise ValueError(f"not a duration such as 90s, 5m or 1h30m: {text!r}")
    return sum(int(part) * unit for part, unit in zip(match.groups(), _UNITS, strict=True) if part)


def time_stamp(text: object) -> datetime | None:
    """Parse a time stamp of the API server; None for anything that cannot be compared with one."""
    try:
        read = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return read if read and read.tzinfo else None


def ratio(text: str) -> float:
    """Parse ``3%`` or ``0.03``; raise ValueError for anything else."""
    match = _RATIO.fullmatch(text)
    if match is None or not text.isascii():
        raise ValueError(f"not a ratio such as 3% or 0.03: {text!r}")
    number = float(match.group(1))
    return number / 100 if match.group(2) else number


def nats(text: str) -> float:
    """Parse ``0.05``; raise ValueError for anything else."""
    if _NATS.fullmatch(text) is None or not text.isascii():
        raise ValueError(f"not a number of nats such as 0.05: {text!r}")
    return float(text)


def quantity(text: str) -> Fraction:
    """Parse a Kubernetes quantity such as ``500m``, ``2`` or ``1.5Gi``; raise ValueError for anything else."""
    match = _QUANTITY.fullmatch(text)
    if match is None or match.group(2) not in _SUFFIXES or not text.isascii():
        raise ValueError(f"not a quantity such as 500m, 2 or 1.5Gi: {text!r}")
    return Fraction(match.group(1)) * _SUFFIXES[match.group(2)]


def duration_text(total: float) -> str:
    """Write seconds as people read them: ``1h30m``, ``5m``, ``0s``."""
    left = max(0, int(total))
    hours, minutes, rest = left // 3600, left % 3600 // 60, left % 60
    parts = [f"{amount}{unit}" for amount, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if amount]
    return "".join(parts) or "0s"


def ratio_text(value: float) -> str:
    """Write a ratio as a percentage with up to three significant digits: ``3%``, ``0.05%``."""
    return f"{value * 100:.3g}%"


def nats_text(value: float) -> str:
    """Write nats with up to three significant digits: ``0.0123 nats``."""
    return f"{value:.3g} nats"


def is_duration(text: str, *, least: int) -> bool:
    """Whether ``text`` is a duration of ``least`` seconds or more, and not absurdly long."""
    try:
        return least <= seconds(text) <= LONGEST_DURATION
    except ValueError:
        return False


def is_open_ratio(text: str) -> bool:
    """Whether ``text`` is a ratio strictly between 0 and 1."""
    try:
        return 0 < ratio(text) < 1
    except ValueError:
        return False


def is_nats(text: str) -> bool:
    """Whether ``text`` is a number of nats above 0 and at most 1."""
    try:
        return 0 < nats(text) <= 1
    except ValueError:
        return False


def is_closed_ratio(text: str) -> bool:
    """Whether ``text`` is a ratio from 0 to 1."""
    try:
        return 0 <= ratio(text) <= 1
    except ValueError:
        return False
