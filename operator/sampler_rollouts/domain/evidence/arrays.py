"""Samples cut and joined so that series which share their arrays go on sharing them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np

from sampler_rollouts.domain.evidence.grid import BoolArray, FloatArray
from sampler_rollouts.domain.evidence.samples import Series

Samples: TypeAlias = Sequence[float] | FloatArray
"""Times or values of one series."""


def in_milliseconds(times: Samples) -> FloatArray:
    """Whole Unix milliseconds, the resolution of the store."""
    with np.errstate(over="ignore"):
        return np.round(np.asarray(times, dtype=np.float64) * 1000.0)


class Cut:
    """Some of a series' samples. The series of a pod mostly have the same times, and most of them the same values, all
    zero: what is the very same array is worked on once, and stays one.
    """

    def __init__(self, keep: Callable[[FloatArray], BoolArray]) -> None:
        """``keep`` says which times, in Unix milliseconds."""
        self._keep = keep
        self._times: dict[int, tuple[object, FloatArray, BoolArray | None]] = {}
        self._values: dict[tuple[int, int], tuple[object, FloatArray]] = {}

    def __call__(self, one: Series) -> Series:
        """The series with these samples alone."""
        times, kept = self._cut(one.times)
        if kept is None:
            return one
        place = (id(one.times), id(one.values))
        if place not in self._values:
            self._values[place] = one.values, np.asarray(one.values)[kept]
        return one.with_samples(times, self._values[place][1])

    def _cut(self, times: Samples) -> tuple[FloatArray, BoolArray | None]:
        """What is left of the times, and which they are; None: all of them. What is remembered stays referred to, so
        that nothing else gets its ``id``."""
        if id(times) not in self._times:
            every = np.asarray(times, dtype=np.float64)
            kept = self._keep(in_milliseconds(every))
            self._times[id(times)] = (times, every, None) if kept.all() else (times, every[kept], kept)
        return self._times[id(times)][1:]


class Join:
    """The samples of two series one after the other; the very same arrays, as in ``Cut``, give the very same."""

    def __init__(self) -> None:
        self._done: dict[tuple[int, int], tuple[object, object, FloatArray]] = {}

    def __call__(self, old: Series, new: Series) -> Series:
        """The samples of both."""
        return old.with_samples(self._joined(old.times, new.times), self._joined(old.values, new.values))

    def _joined(self, old: Samples, new: Samples) -> FloatArray:
        place = (id(old), id(new))
        if place not in self._done:
            self._done[place] = old, new, np.concatenate([np.asarray(old), np.asarray(new)])
        return self._done[place][2]


def shared(series: Iterable[Series]) -> list[Series]:
    """The same series with equal arrays made one: those that were apart at one look, half a scrape, are equal again."""
    once: dict[bytes, FloatArray] = {}

    def one_of(samples: Samples) -> FloatArray:
        array = np.asarray(samples)
        return once.setdefault(array.tobytes(), array)

    return [one.with_samples(one_of(one.times), one_of(one.values)) for one in series]
