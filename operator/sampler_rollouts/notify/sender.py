"""Sends a notification to a receiver of the configuration, in its form, signed, with the secrets as they are now."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult

from sampler_rollouts.domain.notices import shapes, signing
from sampler_rollouts.domain.receivers import PAGER_DUTY, Receiver, safe_for_secrets
from sampler_rollouts.domain.settings import split_url
from sampler_rollouts.notify.post import NotTakenError, Resolve, post, reach

if TYPE_CHECKING:
    from sampler_rollouts.domain.notices.notice import Letter

LONGEST_SECRET: Final = 1 << 14
AGENT: Final = "sampler-rollouts"


class UnreadableError(ValueError):
    """A mounted file is not there, or is not text."""


@dataclass(frozen=True, slots=True)
class _Secrets:
    """What a receiver's files hold now: a mounted Secret changes without a restart."""

    target: SplitResult
    keys: list[bytes]
    routing_key: str
    token: str


class Sender:
    """All receivers by name. Thread-safe: nothing is kept between two calls."""

    def __init__(
        self,
        receivers: Mapping[str, Receiver],
        clock: Callable[[], float] = time.time,
        resolve: Resolve = socket.getaddrinfo,
    ) -> None:
        """``clock`` gives Unix seconds, for the signature."""
        self._receivers = receivers
        self._clock = clock
        self._resolve = resolve

    def send(self, name: str, letter: Letter) -> None:
        """One try. NotTakenError says why the receiver did not take it."""
        receiver = self._receivers[name]
        secrets = _secrets(receiver)
        body = shapes.body(receiver.format, letter, secrets.routing_key)
        headers = {"Content-Type": shapes.content_type(receiver.format), "User-Agent": AGENT}
        if secrets.token:
            headers["Authorization"] = f"Bearer {secrets.token}"
        if secrets.keys:
            headers |= signing.headers(secrets.keys, letter.notice.id, int(self._clock()), body)
        post(
            secrets.target,
            headers,
            body,
            seconds=receiver.timeout,
            ca_file=receiver.ca_file,
            resolve=self._resolve,
        )

    def problems(self) -> dict[str, str]:
        """Of each receiver why nothing could be sent, or an empty text. Connects, and sends nothing."""
        return {name: self._problem(receiver) for name, receiver in self._receivers.items()}

    def _problem(self, receiver: Receiver) -> str:
        try:
            target = _secrets(receiver).target
            reach(target, seconds=receiver.timeout, ca_file=receiver.ca_file, resolve=self._resolve)
        except NotTakenError as error:
            return error.why
        return ""


def _secrets(receiver: Receiver) -> _Secrets:
    try:
        return _Secrets(
            target=_target(receiver),
            keys=_keys(receiver.signing_key_file),
            routing_key=_word(receiver.routing_key_file, "routingKeyFile"),
            token=_word(receiver.bearer_token_file, "bearerTokenFile"),
        )
    except ValueError as error:  # of the fields' own checks: their texts hold no value
        raise NotTakenError(f"its configuration cannot be used: {error}", hopeless=True) from None


def _target(receiver: Receiver) -> SplitResult:
    url = receiver.url or (PAGER_DUTY if receiver.url_file is None else _word(receiver.url_file, "urlFile"))
    if receiver.keeps_secrets:
        safe_for_secrets(url)
    return split_url(url, "https://hooks.example.com/rollouts")


def _keys(path: Path | None) -> list[bytes]:
    if path is None:
        return []
    try:
        return signing.keys_of(_text(path, "signingKeyFile"))
    except UnreadableError:
        raise
    except ValueError as error:
        raise ValueError(f"signingKeyFile: {error}") from None


def _word(path: Path | None, field: str) -> str:
    """A secret of one line."""
    if path is None:
        return ""
    text = _text(path, field).strip()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"{field}: must hold one word")
    return text


def _text(path: Path, field: str) -> str:
    try:
        with path.open("rb") as file:
            return file.read(LONGEST_SECRET).decode("ascii")
    except (OSError, UnicodeDecodeError):
        raise UnreadableError(f"{field}: cannot be read: mount a Secret there") from None
