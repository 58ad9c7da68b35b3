"""The result of a preflight: what a server says at ``GET /preflight`` of its metrics port, and the operator reads.

Meanings: ``docs/preflight.md``.
"""

from typing import Final

PATH: Final = "/preflight"
FORMAT: Final = 1
"""Version of the JSON. A change of the token suite, or of the prompts, is another version: results of two versions say
nothing about each other."""
BUDGET_VARIABLE: Final = "SAMPLER_PREFLIGHT_BUDGET"
"""Seconds for the sweep; a server that is told none runs none."""
PASSED: Final = "passed"
FAILED: Final = "failed"
TOLERANCE_NATS: Final = {"float32": 2.0**-8}
"""By precision: closer log-probabilities of the fixed prompts are the same. Sums in another order were seen to differ
by 1e-4. The digest of the token suite has no tolerance: its logits are exact, and no draw of it is close."""
