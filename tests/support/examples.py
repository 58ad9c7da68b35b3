"""How many random examples a property is tried on: all of them in `make test`, a share in `make unit`."""

from __future__ import annotations

import os

SHARE = float(os.environ.get("EXAMPLES", "1"))
"""Of the number that stands at the test. Cases that are written out are always tried."""


def examples(full: int) -> int:
    """This run's part of ``full`` examples, at least one."""
    return max(1, round(full * SHARE))
