"""From values to pixels, and where the ticks stand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Maps ``low..high`` to ``start..end``; values outside are drawn at the edge."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        value = min(max(value, self.low), self.high) if math.isfinite(value) else (self.high if value > 0 else self.low)
        low, high = self._of(self.low), self._of(self.high)
        share = (self._of(value) - low) / (high - low) if high > low else 0.0
        return self.start + share * (self.end - self.start)

    def _of(self, value: float) -> float:
        return math.log10(value) if self.log else value


def nice_ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers between the two, about as many as wanted."""
    if high <= low:
        return [low]
    raw = (high - low) / max(1, about)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def time_ticks(seconds: float, about: float = 8) -> list[float]:
    """Ticks for a stretch that begins at zero: whole steps that people count in."""
    steps: Sequence[int] = (
        1,
        2,
        5,
        10,
        15,
        30,
        60,
        120,
        300,
        600,
        900,
        1800,
        *(n * 3600 for n in (1, 2, 3, 6, 12, 24)),
    )
    step = next((s for s in steps if seconds / s <= about), steps[-1])
    return [float(t) for t in range(0, int(seconds) + 1, step)]


def clock(seconds: float) -> str:
    """Minutes and seconds: ``1:05``."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def hours(seconds: float) -> str:
    """Hours and minutes: ``3:05``."""
    whole = round(seconds / 60)
    return f"{whole // 60}:{whole % 60:02d}"


def percent(rate: float) -> str:
    """A rate as people write it: ``3 %``, ``0.5 %``."""
    return f"{rate * 100:.3g} %"


RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Where the ticks of a rate stand, on a logarithmic axis."""
