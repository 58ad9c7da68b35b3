"""What a metrics store can make of honest samples. A counter's own numbers are never touched by a fault of a build."""

from __future__ import annotations

import math
from dataclasses import replace

from sampler_rollouts.domain.evidence.samples import Series


def as_it_is(one: Series) -> list[Series]:
    """A store that works."""
    return [one]


def nothing(one: Series) -> list[Series]:
    """It answers, and has nothing."""
    return []


def nan(one: Series) -> list[Series]:
    """Not a number, anywhere."""
    return [replace(one, values=tuple(math.nan for _ in one.values))]


def doubled_with_gaps(one: Series) -> list[Series]:
    """Each sample twice, every seventh lost."""
    kept = [pair for n, pair in enumerate(zip(one.times, one.values, strict=True)) if n % 7 != 5]
    twice = [pair for pair in kept for _ in range(2)]
    return [replace(one, times=tuple(t for t, _ in twice), values=tuple(v for _, v in twice))]
