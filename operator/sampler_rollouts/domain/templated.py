"""What an author writes of a check whose data an admin's template names: a limit on a rate, or on a drop of scores."""

from __future__ import annotations

from typing import Any, Final

from quality_contract import (
    CHECK_CALIBRATION,
    CHECK_ERRORS,
    CHECK_REPLAY_AUDIT,
    CHECK_UNEXPECTED_SCRIPT,
    PROBE_CHECKS,
)

from sampler_rollouts.domain.rules import Rule
from sampler_rollouts.domain.slowness import BOUNDS

READ_BY_NAME: Final = (
    *(CHECK_ERRORS, CHECK_UNEXPECTED_SCRIPT, CHECK_REPLAY_AUDIT, CHECK_CALIBRATION),
    *BOUNDS,
    *PROBE_CHECKS,
)
"""Checks whose data are known without a template."""
_NAMES: Final = "[" + ", ".join(f"'{name}'" for name in READ_BY_NAME) + "]"


def _rates(check: Any) -> bool:
    return check.max_rate is not None or check.max_ratio is not None


RULES: Final = (
    Rule(
        f"!has(self.template) || !(self.name in {_NAMES})",
        "a check of this name is read without a template: remove template, or give the check another name",
        lambda check: check.template is None or check.name not in READ_BY_NAME,
        "template",
    ),
    Rule(
        "!has(self.maxDrop) || has(self.template)",
        "maxDrop is for scores, of which a ClusterCheckTemplate says where they are: add template, or remove maxDrop",
        lambda check: check.max_drop is None or check.template is not None,
        "maxDrop",
    ),
    Rule(
        "!has(self.maxDrop) || (!has(self.maxRate) && !has(self.maxRatio))",
        "maxDrop is about scores, not about a rate: remove maxRate and maxRatio",
        lambda check: check.max_drop is None or not _rates(check),
        "maxDrop",
    ),
)
"""Rules over one check; ``holds`` takes the check."""
