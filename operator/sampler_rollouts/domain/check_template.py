"""What an admin says a check of another name is read from: metric names, and never an expression of PromQL.

A name is all that reaches a metrics source, beside the namespace, rollout, pod and revision that the operator puts in
itself (R25). Which limit holds is the author's to say, in the SamplerRollout.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, ValidationError
from quality_contract.latency import BUCKET, COUNT

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.pool import LABEL_PATTERN
from sampler_rollouts.domain.rules import Rule, Strict, matching

KIND: Final = "ClusterCheckTemplate"
PLURAL: Final = "clusterchecktemplates"
NAME_LENGTH: Final = 100
_PATTERN: Final = "^[a-zA-Z_:][a-zA-Z0-9_:]*$"
_BOUND: Final = "^[0-9]{1,6}([.][0-9]{1,4})?(ms|s)$"
MetricName = Annotated[
    str,
    Field(min_length=1, max_length=NAME_LENGTH),
    matching(_PATTERN, "must be the name of a metric, such as eval_score: letters, digits, _ and :"),
]


Bound = Annotated[
    str,
    Field(max_length=12),
    matching(_BOUND, "must be a time such as 500ms or 2.5s, and a bound of the histogram"),
]


LabelName = Annotated[
    str,
    Field(min_length=1, max_length=NAME_LENGTH),
    matching("^[a-zA-Z_][a-zA-Z0-9_]*$", "must be the name of a label, such as finished_reason"),
]
LabelValue = Annotated[
    str,
    Field(max_length=NAME_LENGTH),
    matching("^[a-zA-Z0-9_.:-]+$", "must be the value of a label, such as error: letters, digits and _ . : -"),
]


class BadWhere(Strict):
    """Which series of one counter are of bad requests."""

    label: LabelName = Field(description="Its name.")
    values: Annotated[
        list[LabelValue], Field(min_length=1, max_length=8, description="Those of it that mark bad requests.")
    ]


class CheckTemplate(Strict):
    """Where a check's data are: counters of requests, a histogram, or a score and the counter of its runs."""

    checked_metric: MetricName | None = Field(None, description="Counter of the requests that were checked.")
    bad_metric: MetricName | None = Field(None, description="Counter of those that were bad.")
    bad_where: BadWhere | None = Field(
        None, description="Instead of badMetric: the label, and its values, by which checkedMetric tells bad requests."
    )
    histogram: MetricName | None = Field(None, description="Of how long requests took: a name without _bucket.")
    slower_than: Bound | None = Field(
        None, description="From which time on a request is bad: one of the histogram's bounds."
    )
    gauge: MetricName | None = Field(None, description="The score of the newest run: from 0, higher is better.")
    runs_metric: MetricName | None = Field(None, description="Counter of runs: a score is new when it has risen.")
    largest: Annotated[int, Field(ge=1, le=1000, description="The best score that there can be.")] = 1
    rules: ClassVar = (
        Rule(
            "has(self.checkedMetric) == (has(self.badMetric) || has(self.badWhere))",
            "checkedMetric and badMetric belong together, or badWhere in its place: give both, or neither",
            lambda one: (one.checked_metric is None) == (one.bad_metric is None and one.bad_where is None),
        ),
        Rule(
            "!has(self.badMetric) || !has(self.badWhere)",
            "badMetric and badWhere both say which requests are bad: give one of them",
            lambda one: one.bad_metric is None or one.bad_where is None,
        ),
        Rule(
            "has(self.gauge) == has(self.runsMetric)",
            "gauge and runsMetric belong together: give both, or neither",
            lambda one: (one.gauge is None) == (one.runs_metric is None),
        ),
        Rule(
            "has(self.histogram) == has(self.slowerThan)",
            "histogram and slowerThan belong together: give both, or neither",
            lambda one: (one.histogram is None) == (one.slower_than is None),
        ),
        Rule(
            "(has(self.checkedMetric) ? 1 : 0) + (has(self.histogram) ? 1 : 0) + (has(self.gauge) ? 1 : 0) == 1",
            "a check is read from one place: give checkedMetric with badMetric or badWhere, histogram and slowerThan, "
            "or gauge and runsMetric",
            lambda one: sum(found is not None for found in (one.checked_metric, one.histogram, one.gauge)) == 1,
        ),
        Rule(
            "!has(self.badMetric) || !has(self.checkedMetric) || self.checkedMetric != self.badMetric",
            "badMetric is checkedMetric: name the counter of bad requests, or use badWhere",
            lambda one: one.bad_metric is None or one.checked_metric != one.bad_metric,
        ),
        Rule(
            "!has(self.gauge) || self.gauge != self.runsMetric",
            "runsMetric is gauge: name the counter of runs",
            lambda one: one.gauge is None or one.gauge != one.runs_metric,
        ),
    )

    @property
    def about(self) -> Literal["rate", "score"]:
        """Which kind of limit fits."""
        return "rate" if self.gauge is None else "score"

    @property
    def metrics(self) -> tuple[str, str]:
        """Checked and bad (twice the same, if a label tells), a histogram's count and buckets, or score and runs."""
        if self.histogram:
            return self.histogram + COUNT, self.histogram + BUCKET
        if self.bad_where:
            return self.checked_metric or "", self.checked_metric or ""
        return (self.checked_metric or self.gauge or "", self.bad_metric or self.runs_metric or "")


NAME_RULE: Final = Rule(
    f"self.metadata.name.matches('{LABEL_PATTERN}') && size(self.metadata.name) <= {limits.NAME}",
    f"metadata.name must be lower-case letters, digits and dashes, beginning with a letter, at most {limits.NAME}: "
    "eval-score",
    lambda name: len(name) <= limits.NAME and matching(LABEL_PATTERN, "").holds(name),
)
"""Over the object's name, which a check must be able to give."""


def bound_seconds(text: str) -> float:
    """The seconds that a template's ``slowerThan`` means. Raises ValueError for what is no such time."""
    if not re.fullmatch(_BOUND.strip("^$"), text):
        raise ValueError(f"not a time such as 500ms or 2.5s: {text!r}")
    return float(text.removesuffix("ms")) / 1000 if text.endswith("ms") else float(text.removesuffix("s"))


def read_template(raw: object) -> CheckTemplate | None:
    """The template in an object's ``spec``; None for one that breaks the rules, which the API server would refuse."""
    try:
        found = CheckTemplate.model_validate(raw)
    except ValidationError:
        return None
    return found if all(rule.holds(found) for rule in CheckTemplate.rules) else None


def named_templates(spec: Mapping[str, Any]) -> list[str]:
    """The names that a raw spec's checks give; nothing of what is not there or not of that form."""
    quality = spec.get("quality")
    checks = quality.get("checks") if isinstance(quality, Mapping) else None
    every = checks if isinstance(checks, list) else []
    names = [check.get("template") for check in every if isinstance(check, Mapping)]
    return sorted({name for name in names if isinstance(name, str) and name})
