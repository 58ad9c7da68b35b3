"""The metrics source of a report: the one place of this package that asks it, through the operator's own adapter."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pydantic import ValidationError
from sampler_rollouts.metrics import told
from sampler_rollouts.metrics.config import MetricsSource

from samplerctl.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

Points: TypeAlias = told.Points
Told: TypeAlias = told.Told
WEIGHT_WANTED, WEIGHT_OBSERVED = told.WEIGHT_WANTED, told.WEIGHT_OBSERVED
CHECK_BOUND, CHECK_EVIDENCE = told.CHECK_BOUND, told.CHECK_EVIDENCE
CHECK_REQUESTS, CHECK_BAD = told.CHECK_REQUESTS, told.CHECK_BAD
TIMEOUT = 30.0
"""Seconds for everything that is asked."""
LARGEST = 256
"""MiB of an answer: a day of sixteen pools."""
UNTOLD = Told({}, {}, "no metrics source was named (--metrics), so nothing is drawn over time")


def source(url: str, token_file: Path | None, ca_file: Path | None) -> MetricsSource:
    """InputError names the option."""
    try:
        return MetricsSource(
            url=url,
            timeout=TIMEOUT,
            bearer_token_file=token_file.absolute() if token_file else None,
            ca_file=ca_file.absolute() if ca_file else None,
            max_response_mebibytes=LARGEST,
        )
    except ValidationError as error:
        raise InputError(f"--metrics: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None


def read(place: MetricsSource | None, whose: Sequence[str], start: datetime, end: datetime) -> Told:
    """What the operator's metrics were; what is not known is said in ``problem``."""
    if place is None:
        return UNTOLD
    found = told.read(place, whose[0], whose[1], start, end)
    return replace(found, problem=f"the metrics source: {found.problem}") if found.problem else found
