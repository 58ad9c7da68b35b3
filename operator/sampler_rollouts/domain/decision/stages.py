"""Which stages have what in common."""

from __future__ import annotations

from typing import Final

from sampler_rollouts.domain.status import Stage

TESTED: Final = frozenset({Stage.PROGRESSING, Stage.HOLDING})
"""A candidate is compared with stable."""
LEAVING: Final = frozenset({Stage.ROLLING_BACK, Stage.WITHDRAWING})
"""A candidate goes, or a release after it took all traffic."""
COMPARING: Final = TESTED | LEAVING
"""Both have traffic, or may have."""
BY_STEPS: Final = TESTED | {Stage.RESTORING}
"""A release has what its step says, beside stable. Otherwise what is ready serves."""
FORWARD: Final = BY_STEPS | {Stage.ESTABLISHING}
"""A release comes."""
STARTING: Final = frozenset({Stage.ESTABLISHING, Stage.RESTORING})
"""It comes at full traffic, without steps."""
