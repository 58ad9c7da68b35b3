"""What an author may write of quality: the checks, and how sure verdicts are to be."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field
from quality_contract import CHECK_CALIBRATION, CHECK_ERRORS, CHECK_REPLAY_AUDIT, CHECK_UNEXPECTED_SCRIPT, PROBE_CHECKS

from sampler_rollouts.domain import bias, limits, slowness, templated
from sampler_rollouts.domain.pool import Label, OpenRatio
from sampler_rollouts.domain.probes import Probes
from sampler_rollouts.domain.quantities import ratio
from sampler_rollouts.domain.rules import Rule, Strict, cel_is_ratio, cel_ratio, matching

DEFAULT_MAX_RATES: Final = {CHECK_ERRORS: "1%", CHECK_UNEXPECTED_SCRIPT: "0.5%", CHECK_REPLAY_AUDIT: "0.1%"}
_DESIGN_PATTERN = "^[1-9][0-9]{0,3}([.][0-9]{1,4})?$"


class Check(Strict):
    """One question about a release: is the share of bad requests above ``maxRate``, or too far above stable's?"""

    name: Label
    """The value of the servers' label check, or a built-in one: replay-audit, calibration, a latency check."""
    max_rate: OpenRatio | None = Field(None, description="The share of bad requests that is still acceptable.")
    max_ratio: (
        Annotated[
            str,
            Field(max_length=9),
            matching(_DESIGN_PATTERN, 'must be a number of at least 1, as a string: "2" for twice stable\'s rate'),
        ]
        | None
    ) = Field(None, description="How many times stable's share of bad requests is still acceptable.")
    ignore_below: OpenRatio | None = Field(None, description="A share of bad requests up to which no ratio matters.")
    slower_than: Annotated[str, Field(max_length=9)] | None = Field(
        None, description="Of a latency check: from which time on a request is bad; a bound that servers count by."
    )
    max_bias_nats: bias.Nats | None = Field(
        None, description="Of calibration: how many nats a token may be more or less surprising than the logits say."
    )
    template: Label | None = Field(None, description="The ClusterCheckTemplate that says where its data are.")
    max_drop: OpenRatio | None = Field(
        None, description="Of scores: how much lower than stable's is still acceptable, as a part of the best score."
    )
    mode: Literal["Decide", "Report"] = Field(
        "Decide", description="Report: it is shown, and neither fails a release nor is asked to pass."
    )
    rules: ClassVar = (
        *slowness.RULES,
        *bias.RULES,
        *templated.RULES,
        Rule(
            "has(self.maxRate) || has(self.maxRatio) || has(self.maxBiasNats) || has(self.maxDrop) || self.name in ["
            + ", ".join(f"'{name}'" for name in (*DEFAULT_MAX_RATES, CHECK_CALIBRATION))
            + "]",
            'maxRate or maxRatio is required for a check without a default: add for example maxRate: "1%"',
            lambda check: (
                check.rate_text != ""
                or any(limit is not None for limit in (check.max_ratio, check.max_bias_nats, check.max_drop))
            ),
        ),
        Rule(
            "!has(self.ignoreBelow) || has(self.maxRatio)",
            'ignoreBelow softens maxRatio: add for example maxRatio: "2", or remove it',
            lambda check: check.ignore_below is None or check.max_ratio is not None,
        ),
        Rule(
            "!has(self.ignoreBelow) || !has(self.maxRate) || "
            f"!{cel_is_ratio('self.ignoreBelow')} || !{cel_is_ratio('self.maxRate')} || "
            f"{cel_ratio('self.ignoreBelow')} <= {cel_ratio('self.maxRate')}",
            "ignoreBelow is above maxRate, which holds whatever the ratio: lower it",
            lambda check: (
                check.ignore_below is None
                or check.max_rate is None
                or ratio(check.ignore_below) <= ratio(check.max_rate)
            ),
        ),
        Rule(
            f"self.name != '{CHECK_REPLAY_AUDIT}' || !has(self.maxRatio)",
            f"{CHECK_REPLAY_AUDIT} is compared with the oracle, not with stable: remove maxRatio",
            lambda check: check.name != CHECK_REPLAY_AUDIT or check.max_ratio is None,
        ),
    )

    @property
    def rate_text(self) -> str:
        """The limit as written, or this check's default; empty for a check that is only compared with stable."""
        return self.max_rate or DEFAULT_MAX_RATES.get(self.name, "")


class Quality(Strict):
    """What the evidence must show, and how sure we want to be."""

    metrics_source: Label = "default"
    """One of the operator's configuration, by name; never an address."""
    false_rollback_rate: OpenRatio = "1%"
    """Chance of rolling back an honest release, over a whole rollout and its bake time."""
    pass_confidence: OpenRatio = "95%"  # noqa: S105 - no password
    """How sure Passed is that a check's rate is below its limit."""
    design_effect: Annotated[
        str,
        Field(max_length=9),
        matching(_DESIGN_PATTERN, 'must be a number of at least 1, as a string: "1" if requests fail independently'),
    ]
    """By how much requests fail together more than independent ones would."""
    checks: Annotated[
        list[Check], Field(min_length=1, max_length=limits.CHECKS, json_schema_extra=limits.map_by("name"))
    ] = Field(default_factory=lambda: [Check.model_validate({"name": name}) for name in DEFAULT_MAX_RATES])
    """What the evidence must show before full traffic, and what takes a release back."""
    probes: Probes | None = Field(None, description="Synthetic probes that count as evidence; default: none.")
    rules: ClassVar = (
        Rule(
            "self.checks.all(c, self.checks.exists_one(d, d.name == c.name))",
            "checks must have different names: remove the duplicate",
            lambda quality: limits.unique(check.name for check in quality.checks),
            "checks",
        ),
        Rule(
            f"has(self.probes) || !self.checks.exists(c, c.name in [{', '.join(map(repr, PROBE_CHECKS))}])",
            'checks that begin with probe- are of what the prober finds: add probes: {requestsPerSecond: "2"}',
            lambda quality: (
                quality.probes is not None or all(check.name not in PROBE_CHECKS for check in quality.checks)
            ),
            "checks",
        ),
    )

    @property
    def deciding(self) -> list[Check]:
        """Its checks, but for those that are only shown."""
        return [check for check in self.checks if check.mode != "Report"]
