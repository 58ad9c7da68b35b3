"""What an author writes of the check ``calibration``: a margin in nats, and nothing of rates."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field
from quality_contract import CHECK_CALIBRATION

from sampler_rollouts.domain import quantities
from sampler_rollouts.domain.rules import Rule, Scalar

Nats = Annotated[
    str,
    Field(max_length=10),
    Scalar(
        cel=f"self.matches('{quantities.NATS_PATTERN}') && double(self) > 0.0 && double(self) <= 1.0",
        message='must be a number of nats above 0 and at most 1, as a string such as "0.05"',
        holds=quantities.is_nats,
    ),
]


def _is_calibration(check: Any) -> bool:
    return bool(check.name == CHECK_CALIBRATION)


RULES: Final = (
    Rule(
        f"self.name != '{CHECK_CALIBRATION}' || has(self.maxBiasNats)",
        f'maxBiasNats is required for {CHECK_CALIBRATION}: add for example maxBiasNats: "0.05"',
        lambda check: not _is_calibration(check) or check.max_bias_nats is not None,
    ),
    Rule(
        f"self.name == '{CHECK_CALIBRATION}' || !has(self.maxBiasNats)",
        f"maxBiasNats is only for {CHECK_CALIBRATION}: remove it",
        lambda check: _is_calibration(check) or check.max_bias_nats is None,
    ),
    Rule(
        f"self.name != '{CHECK_CALIBRATION}' || (!has(self.maxRate) && !has(self.maxRatio))",
        f"{CHECK_CALIBRATION} is about nats, not about a rate: remove maxRate and maxRatio",
        lambda check: not _is_calibration(check) or (check.max_rate is None and check.max_ratio is None),
    ),
)
"""Rules over one check; ``holds`` takes the check."""
