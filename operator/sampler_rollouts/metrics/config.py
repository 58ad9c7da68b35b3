"""The admin's configuration: metrics sources by name, what authors may choose, how far suspicion goes, and who is told.

Rules R23 and R25.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import AfterValidator, BaseModel, Field, ValidationError
from pydantic.alias_generators import to_camel

from sampler_rollouts.domain.allowed import BY_DEFAULT, Allowed
from sampler_rollouts.domain.receivers import NOBODY, Notifications, Receiver
from sampler_rollouts.domain.settings import SETTINGS, MountedFile, Seconds, split_url
from sampler_rollouts.domain.together import ALONE, Suspects

LONGEST_TIMEOUT: Final = 7.5
"""Seconds. A look gives a source up after 8 s; what is asked for longer would hold a thread that nobody waits for."""


class ConfigError(ValueError):
    """The configuration cannot be used; the text names the file, the field and the remedy."""


def _plain_url(url: str) -> str:
    """An address without anything that does not belong there. Secrets in it would end in logs and events."""
    parts = split_url(url, "http://prometheus.monitoring:9090")
    if parts.query or parts.fragment:
        raise ValueError("must not hold a query or fragment: give the address before /api/v1")
    return url.rstrip("/")


LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,127}$")]
LabelValue = Annotated[str, Field(pattern=r"^[-._/:a-zA-Z0-9]{0,253}$")]
"""What needs no escape in a query."""


class GatewayRequests(BaseModel):
    """Where gateways count what they send: a counter of requests for each endpoint."""

    model_config = SETTINGS

    metric: Annotated[str, Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]{0,127}$")]
    """The counter's name; Envoy's is ``envoy_cluster_endpoint_rq_total``."""
    address_label: LabelName = "envoy_endpoint_address"
    """The label that holds an endpoint's address and port."""
    labels: Annotated[dict[LabelName, LabelValue], Field(max_length=8)] = Field(default_factory=dict)
    """Labels that its series have: where one store holds several clusters, whose addresses may be the same."""


class MetricsSource(BaseModel):
    """One Prometheus or a store that speaks its query API."""

    model_config = SETTINGS

    url: Annotated[str, AfterValidator(_plain_url)]
    """Its address, before ``/api/v1``."""
    timeout: Annotated[Seconds, Field(ge=0.1, le=60)] = 5.0
    """Seconds for everything that is asked at once, retries included."""
    scrape_interval: Annotated[Seconds, Field(ge=0.1, le=300)] = 15.0
    """Seconds between scrapes of the samplers' pods; data older than three of them never pass anything."""
    bearer_token_file: MountedFile | None = None
    """Holds a token that is sent along, for a store that asks for one."""
    ca_file: MountedFile | None = None
    """The CA of its certificate; absent: those that everybody trusts."""
    max_response_mebibytes: Annotated[int, Field(ge=1, le=1024)] = 8
    """Limit of one answer, unpacked. Reading takes about six times as much memory, in each of four threads at most."""
    gateway_requests: GatewayRequests | None = None
    """The same source has the gateways' own counter: what they sent and no pod accounts for lets nothing pass."""


class ConfiguredSource(MetricsSource):
    """A source that the operator looks at: it must answer, or be given up, within a look."""

    timeout: Annotated[Seconds, Field(ge=0.1, le=LONGEST_TIMEOUT)] = 5.0
    """Seconds for everything that one look asks, retries included."""


class MetricsSources(BaseModel):
    """The whole configuration: sources by name, what authors may choose, how far suspicion goes, and who is told."""

    model_config = SETTINGS

    metrics_sources: Annotated[dict[str, ConfiguredSource], Field(min_length=1)]
    """By the name that ``quality.metricsSource`` gives."""
    authors: Allowed = BY_DEFAULT
    """What authors may choose. Lists that are absent allow everything, but for claims to write; empty ones nothing."""
    suspects: Suspects = ALONE
    """How far what failed in one SamplerRollout is suspect in others."""
    notifications: Notifications = NOBODY
    """Who is told of rollouts."""


def parse_sources(text: str, origin: str = "metrics sources") -> MetricsSources:
    """Read the YAML text; ``origin`` names it in errors. Raises ConfigError."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{origin}: not YAML{where}: correct the syntax") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{origin}: must be a mapping: metricsSources: {{default: {{url: http://...}}}}")
    try:
        return MetricsSources.model_validate(content)
    except ValidationError as error:
        raise ConfigError("; ".join(f"{origin}: {_problem(one)}" for one in error.errors())) from None


def load_sources(path: Path) -> MetricsSources:
    """Read the file. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot be read ({type(error).__name__}): mount the operator's configuration"
        ) from None
    return parse_sources(text, str(path))


def _problem(error: Any) -> str:
    """Field and remedy; never the value, which may be a secret in the wrong place."""
    field = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        model = _model_of(error["loc"])
        known = ", ".join(to_camel(name) for name in model.model_fields)
        return f"{field}: unknown field: remove it or correct its name ({known})"
    if error["type"] == "missing":
        return f"{field}: missing: add it"
    return f"{field}: {error['msg'].removeprefix('Value error, ')}"


def _model_of(place: tuple[Any, ...]) -> type[BaseModel]:
    """The model that has a field of that place."""
    if len(place) == 1:
        return MetricsSources
    if place[0] == "notifications":
        return Notifications if len(place) == 2 else Receiver
    if place[0] == "authors":
        return Allowed
    if place[0] == "suspects":
        return Suspects
    return GatewayRequests if "gatewayRequests" in place[:-1] else MetricsSource
