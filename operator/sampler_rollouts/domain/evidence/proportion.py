"""An anytime-valid interval for a share of requests: whether a weight is in force (R8).

For n requests of which k went to one arm, and a hypothetical share p, the Beta-binomial mixture over all shares q,

    M(p) = integral over q in (0, 1) of (q/p)^k ((1-q)/(1-p))^(n-k)  =  B(k+1, n-k+1) / (p^k (1-p)^(n-k)),

with the uniform mixing density (Ville 1939; Robbins 1970, "Statistical methods related to the law of the iterated
logarithm"; Howard, Ramdas, McAuliffe, Sekhon 2021), is a non-negative martingale from 1 if p is the true share. The
shares with M(p) < 1/a are therefore an interval that holds at all looks at once with a chance of at least 1 - a.
ln M is convex in p with its minimum, at most 0, at k/n: one crossing on each side, which bisection finds.
"""

from __future__ import annotations

import math
from typing import Final

CONFIDENCE: Final = 0.95
TOLERANCE: Final = 0.25
"""A weight is in force between 0.75 and 1.25 times the wanted share."""
_BISECTIONS: Final = 60
_LARGEST_LOG_ODDS: Final = 36.0


def log_evidence_against(share: float, exposed: float, total: float) -> float:
    """ln M(share) for ``share`` in (0, 1); 0 without requests. Counts may be fractional, 0 <= exposed <= total."""
    rest = total - exposed
    log_beta = math.lgamma(exposed + 1) + math.lgamma(rest + 1) - math.lgamma(total + 2)
    return log_beta - exposed * math.log(share) - rest * math.log1p(-share)


def share_interval(exposed: int, total: int, design_effect: float = 1.0) -> tuple[float, float]:
    """Both ends of the 95 % interval of the share; (0, 1) without requests.

    ``design_effect`` divides both counts, as in the tests of the checks: requests of one connection go one way.
    """
    if total <= 0:
        return 0.0, 1.0
    some, n = min(exposed, total) / design_effect, total / design_effect
    low = 0.0 if exposed <= 0 else _end(some, n, -_LARGEST_LOG_ODDS)
    high = 1.0 if exposed >= total else _end(some, n, _LARGEST_LOG_ODDS)
    return low, high


def _end(exposed: float, total: float, outside: float) -> float:
    """The end of the interval between the observed share and ``outside``, both in log odds when bisected."""
    middle = min(max(exposed / total, 1e-12), 1 - 1e-12)
    inside = math.log(middle) - math.log1p(-middle)
    for _ in range(_BISECTIONS):
        between = (inside + outside) / 2
        share = 1 / (1 + math.exp(-between))
        if log_evidence_against(min(share, 1 - 1e-15), exposed, total) < -math.log(1 - CONFIDENCE):
            inside = between
        else:
            outside = between
    return 1 / (1 + math.exp(-outside))


def is_skewed(interval: tuple[float, float], wanted: float) -> bool:
    """Whether the interval lies wholly outside 0.75 to 1.25 times the ``wanted`` share."""
    low, high = interval
    return low > (1 + TOLERANCE) * wanted or high < (1 - TOLERANCE) * wanted
