"""Users' requests and synthetic probes together: what the probes may add, and what they may not hide.

Two questions are asked of a check where probes count, so that its alpha is shared by twice as many tests: do all
requests speak against the build, and do users' alone? A fault that synthetic prompts do not bring out is diluted by
them in the first and stands in the second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sampler_rollouts.domain.evidence.comparison import Assurance, Compared, Stream, compare

if TYPE_CHECKING:
    from sampler_rollouts.domain.evidence.intervals import Increments

QUESTIONS = 2
"""Tests of a check and pool where probes count, instead of one."""


def compare_both(streams: Sequence[Stream], assurance: Assurance, window: int, *, probes: bool) -> list[Compared]:
    """Judge each stream, where ``probes`` count by both questions. ``window`` is the scrape interval in ms."""
    everything = compare(streams, assurance, window)
    if not probes:
        return everything
    users = compare([replace(stream, probes=None) for stream in streams], assurance, window)
    return [merged(*both) for both in zip(everything, users, strict=True)]


def merged(everything: Compared, users: Compared) -> Compared:
    """``Failed`` by either; ``Passed`` by all requests, unless users' alone speak against the build (E above 1),
    whether or not it is shown to be worse than stable."""
    failed = everything.failed or users.failed
    shared = not failed and (everything.shared or users.shared)
    return replace(
        everything,
        failed=failed,
        shared=shared,
        unconfirmed=not failed and not shared and (everything.unconfirmed or users.unconfirmed),
        burst=everything.burst or users.burst,
        passed=everything.passed and not failed and users.unproven <= 0,
        log_e=max(everything.log_e, users.log_e),
        unproven=max(everything.unproven, users.unproven),
    )


def said_of(probes: Mapping[str, Increments]) -> str:
    """How many of the checked requests were probes, in words; empty if none was."""
    checked = sum(int(one.checked.sum()) for one in probes.values())
    bad = sum(int(one.bad.sum()) for one in probes.values())
    return f"{checked} of them probes, of which {bad} bad" if checked else ""
