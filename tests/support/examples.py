"""How many random examples a property is tried on, and whether they are the same in every run.

`make test` tries all of them, the same ones each time: it says whether a change broke something. `make unit` tries a
share, `make soak` many more, and new ones each time: they look for what nobody has seen yet.
"""

from __future__ import annotations

import os

SHARE = float(os.environ.get("EXAMPLES", "1"))
"""Of the number that stands at the test. Cases that are written out are always tried."""

SAME = bool(os.environ.get("SAME_EXAMPLES"))
"""Whether each property draws its examples from a seed of its own text."""


def examples(full: int) -> int:
    """This run's part of ``full`` examples, at least one."""
    return max(1, round(full * SHARE))
