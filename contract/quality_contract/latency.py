"""Latency: histograms over requests, and the bounds of their buckets. A check asks for the share above one bound.

A check's name says which histogram it reads, as a counter's label says it of the other checks.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

REQUEST_DURATION: Final = "sampler_request_duration_seconds"
TIME_TO_FIRST_TOKEN: Final = "sampler_time_to_first_token_seconds"  # noqa: S105
TIME_PER_OUTPUT_TOKEN: Final = "sampler_time_per_output_token_seconds"  # noqa: S105
LABEL_CHECKED: Final = "checked"
CHECKED_REQUESTS: Final = "true"
"""The value of LABEL_CHECKED for the requests that the quality counters count."""
LABEL_BOUND: Final = "le"
BUCKET: Final = "_bucket"
COUNT: Final = "_count"

CHECK_LATENCY: Final = "latency"
CHECK_TIME_TO_FIRST_TOKEN: Final = "time-to-first-token"  # noqa: S105
CHECK_TIME_PER_OUTPUT_TOKEN: Final = "time-per-output-token"  # noqa: S105

REQUEST_LIMIT: Final = 600.0
"""Seconds after which a server ends a request unless told otherwise; it is observed as that long everywhere. No check
can ask for a bound that such a request is not above."""


class Histogram(NamedTuple):
    """One histogram: its name, and the upper bounds of its buckets in seconds, rising."""

    name: str
    bounds: tuple[float, ...]


# vLLM's bounds, so that its dashboards fit, and between them those that service levels are written with.
HISTOGRAMS: Final[Mapping[str, Histogram]] = {
    CHECK_LATENCY: Histogram(
        REQUEST_DURATION,
        (
            0.1, 0.2, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10, 15, 20, 30, 40, 50, 60, 90, 120, 180, 240, 300,
            480, 960, 1920, 7680,
        ),
    ),
    CHECK_TIME_TO_FIRST_TOKEN: Histogram(
        TIME_TO_FIRST_TOKEN,
        (
            0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5,
            7.5, 10, 15, 20, 30, 40, 60, 80, 160, 640, 2560,
        ),
    ),
    CHECK_TIME_PER_OUTPUT_TOKEN: Histogram(
        TIME_PER_OUTPUT_TOKEN,
        (
            0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.06, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75,
            1, 1.5, 2, 2.5, 5, 7.5, 10, 20, 40, 80,
        ),
    ),
}  # fmt: skip
"""By the name of the check that reads it."""
