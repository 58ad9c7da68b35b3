"""Streams written down briefly: rows of (cell, stable, checked, bad), or many outcomes side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from sampler_rollouts.domain.evidence import judge
from sampler_rollouts.domain.evidence.streams import Margins, PodIntervals, State, begin, fold

Row = tuple[int, bool, int, int]
"""Cell, whether it is stable's, checked, bad."""


def margins(
    streams: int = 1,
    max_rate: float = math.nan,
    max_ratio: float = math.nan,
    ignore_below: float = 0.0,
    paired: bool = True,
) -> Margins:
    return Margins(
        np.full(streams, max_rate),
        np.full(streams, max_ratio),
        np.full(streams, ignore_below),
        np.full(streams, paired),
    )


def terms(
    streams: int = 1, threshold: float = math.log(1000), confidence: float = 0.95, effect: float = 1.0
) -> judge.Terms:
    return judge.Terms(np.full(streams, threshold), np.full(streams, confidence), np.full(streams, effect))


def rows(*found: Row, stream: int = 0) -> PodIntervals:
    table = np.array([(cell, stable, checked, bad) for cell, stable, checked, bad in found], dtype=np.int64)
    table = table.reshape(-1, 4)
    return PodIntervals(
        np.full(len(found), stream), table[:, 0], table[:, 1].astype(np.bool_), table[:, 2], table[:, 3]
    )


def folded(asked: Margins, *portions: PodIntervals) -> State:
    state = begin(asked.paired.size)
    for portion in portions:
        fold(asked, state, portion)
    return state


def side_by_side(cell: int, counts: Sequence[np.ndarray]) -> PodIntervals:
    """One cell of each stream: arrays of candidate's checked and bad, stable's checked and bad."""
    size = counts[0].size
    every = np.arange(size)
    return PodIntervals(
        np.tile(every, 2),
        np.full(2 * size, cell),
        np.repeat([False, True], size),
        np.concatenate([counts[0], counts[2]]).astype(np.int64),
        np.concatenate([counts[1], counts[3]]).astype(np.int64),
    )


def totals(state: State) -> judge.Totals:
    return judge.Totals(state.checked, state.bad, np.zeros_like(state.bad))
