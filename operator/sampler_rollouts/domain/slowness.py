"""From which time on a request is slow: what the spec may say of it, as text, and what that is in seconds.

A check can only ask for a bound by which servers count, so the spec names one as it is written here, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from quality_contract.latency import HISTOGRAMS, REQUEST_LIMIT

from sampler_rollouts.domain.rules import Rule

if TYPE_CHECKING:
    from sampler_rollouts.domain.quality_spec import Check


def bound_text(seconds: float) -> str:
    """A bound as the spec writes it: ``50ms``, ``2.5s``, ``120s``."""
    return f"{seconds * 1000:g}ms" if seconds < 1 else f"{seconds:g}s"


BOUNDS: Final = {
    check: {bound_text(bound): float(bound) for bound in histogram.bounds if bound < REQUEST_LIMIT}
    for check, histogram in HISTOGRAMS.items()
}
"""Seconds by what the spec may say, for each latency check, rising."""


def slower_than(check: str, text: str) -> float:
    """The seconds that a check's bound means, 0 for none. Raises ValueError for one that servers do not count by."""
    if not text:
        return 0.0
    if text not in BOUNDS.get(check, {}):
        raise ValueError(f"no bound of check {check!r}: {text!r}")
    return BOUNDS[check][text]


def _quoted(words: list[str]) -> str:
    return "[" + ", ".join(f"'{word}'" for word in words) + "]"


def _one_of_its_bounds(check: str) -> Callable[[Check], bool]:
    return lambda asked: asked.name != check or asked.slower_than in BOUNDS[check]


RULES: Final = (
    Rule(
        f"!has(self.slowerThan) || self.name in {_quoted(list(BOUNDS))}",
        f"slowerThan is for the checks {', '.join(BOUNDS)}: remove it, or give the check one of these names",
        lambda check: check.slower_than is None or check.name in BOUNDS,
        "slowerThan",
    ),
    *(
        Rule(
            f"self.name != '{check}' || (has(self.slowerThan) && self.slowerThan in {_quoted(list(bounds))})",
            f"{check} needs slowerThan, one of the bounds that servers count by: {', '.join(bounds)}",
            _one_of_its_bounds(check),
            "slowerThan",
        )
        for check, bounds in BOUNDS.items()
    ),
)
"""Rules over a check of the spec."""
