"""Who is told of rollouts, as the administrator's configuration names them. A SamplerRollout can name none (R25)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.notices.notice import NoticeType
from sampler_rollouts.domain.settings import SETTINGS, MountedFile, Seconds, is_own, split_url

PAGER_DUTY: Final = "https://events.pagerduty.com/v2/enqueue"
_EXAMPLE: Final = "https://hooks.example.com/rollouts"
Name = Annotated[str, Field(pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]


class Format(StrEnum):
    """The form of a body."""

    CLOUD_EVENTS = "CloudEvents"
    SLACK = "Slack"
    PAGER_DUTY = "PagerDuty"


def _public_url(url: str) -> str:
    parts = split_url(url, _EXAMPLE)
    if parts.query or parts.fragment:
        raise ValueError("must not hold a query or fragment: put an address that is a secret in a file, see urlFile")
    return url


class Receiver(BaseModel):
    """One address that is told."""

    model_config = SETTINGS

    format: Format = Format.CLOUD_EVENTS
    """The form of a body."""
    url: Annotated[str, AfterValidator(_public_url)] | None = None
    """Its address, https where something that is sent is a secret. By default PagerDuty's, for that format."""
    url_file: MountedFile | None = None
    """Holds the address, where that is a secret itself, as Slack's is."""
    signing_key_file: MountedFile | None = None
    """Of CloudEvents: keys, one a line, as ``whsec_<base64>``; the body is signed with each."""
    routing_key_file: MountedFile | None = None
    """Of PagerDuty: the integration key."""
    bearer_token_file: MountedFile | None = None
    """Holds a token that is sent along, for whoever asks for one."""
    ca_file: MountedFile | None = None
    """The CA of its certificate; absent: those that everybody trusts."""
    timeout: Annotated[Seconds, Field(ge=0.1, le=60)] = 10.0
    """Seconds of one try, as a whole."""
    deadline: Annotated[Seconds, Field(ge=60, le=604_800)] = 86_400.0
    """Seconds after which a notification is given up."""
    types: Annotated[tuple[NoticeType, ...], Field(min_length=1)] | None = None
    """What it is told; absent: everything."""
    namespaces: Annotated[tuple[Name, ...], Field(min_length=1, max_length=256)] | None = None
    """Of which namespaces; absent: all."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        pager = self.format is Format.PAGER_DUTY
        if self.url is not None and self.url_file is not None:
            raise ValueError("give url or urlFile, not both")
        if self.url is None and self.url_file is None and not pager:
            raise ValueError("needs an address: give url, or urlFile if it is a secret")
        if pager != (self.routing_key_file is not None):
            raise ValueError("routingKeyFile belongs to format PagerDuty, and PagerDuty needs it")
        if (self.format is Format.CLOUD_EVENTS) != (self.signing_key_file is not None):
            raise ValueError("signingKeyFile belongs to format CloudEvents, and CloudEvents needs it")
        if self.url is not None and self.keeps_secrets:
            safe_for_secrets(self.url)
        return self

    @property
    def keeps_secrets(self) -> bool:
        """Whether what is sent holds a secret."""
        return bool(self.url_file or self.routing_key_file or self.bearer_token_file)

    def wants(self, namespace: str, kind: NoticeType) -> bool:
        """Whether it is to be told."""
        here = self.namespaces is None or namespace in self.namespaces
        return here and (self.types is None or kind in self.types)


def safe_for_secrets(url: str) -> None:
    """ValueError for an address to which a secret would travel in clear text."""
    parts = split_url(url, _EXAMPLE)
    if parts.scheme != "https" and not is_own(parts.hostname or ""):
        raise ValueError("must be https: a secret would travel in clear text")


class Notifications(BaseModel):
    """All receivers by name, and what the messages call this cluster."""

    model_config = SETTINGS

    cluster: Annotated[str, Field(pattern="^[-._a-zA-Z0-9]*$", max_length=63)] = ""
    """What the messages call this cluster; empty: nothing."""
    receivers: Annotated[dict[Name, Receiver], Field(max_length=limits.RECEIVERS)] = Field(default_factory=dict)
    """Who is told, by name."""


NOBODY: Final = Notifications()
