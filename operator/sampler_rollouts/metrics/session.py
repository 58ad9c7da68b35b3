"""A ``requests`` session that a slow, dead or hostile server cannot hold, flood or lead elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from sampler_rollouts.metrics.deadline import Deadline, cutting
from sampler_rollouts.metrics.envelope import SourceProblem, error_type, parse

CONNECT_SECONDS = 3.0
CHUNK = 1 << 16
LONGEST_TOKEN = 1 << 16
"""Bytes of a bearer token file that are read; tokens have a few thousand."""
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


class _Answer(requests.Response):
    """A successful answer whose envelope has been judged."""

    def __init__(self, envelope: dict[str, Any]) -> None:
        super().__init__()
        self.status_code = 200
        self._envelope = envelope

    def json(self, **_: Any) -> Any:
        return self._envelope


class GuardedSession(requests.Session):
    """Every request has a deadline, a size limit and no redirect; every failure is a SourceProblem."""

    def __init__(self, token_file: Path | None, ca_file: Path | None, max_bytes: int) -> None:
        super().__init__()
        self.trust_env = False  # no proxy, .netrc or CA from the environment
        self.verify = str(ca_file) if ca_file else True
        self._token_file = token_file
        self._max_bytes = max_bytes

    def request(self, method: str | bytes, url: str | bytes, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        """One exchange, bounded by the ``Deadline`` given as ``timeout``. Never follows, never retries."""
        deadline: Deadline = kwargs.pop("timeout")
        left = deadline.left()
        kwargs["headers"] = {**(kwargs.get("headers") or {}), **self._authorization()}
        kwargs |= {"timeout": (min(CONNECT_SECONDS, left), left), "stream": True, "allow_redirects": False}
        try:
            with cutting(deadline), super().request(method, url, **kwargs) as response:
                return _Answer(self._judged(response, deadline))
        except (requests.RequestException, HTTPError, OSError) as error:
            deadline.left()  # a cut connection looks like a lost one
            raise self._problem(error) from None

    def _judged(self, response: requests.Response, deadline: Deadline) -> dict[str, Any]:
        status = response.status_code
        if 300 <= status < 400:
            raise SourceProblem("SourceRedirects", "the source redirects: configure its final address")
        if status in {401, 403}:
            raise SourceProblem("SourceForbids", f"the source refuses our credentials (HTTP {status})")
        body = self._body(response, deadline)
        if status != 200:
            raise SourceProblem("SourceError", _refusal(status, body), retry=status in TRANSIENT)
        return parse(body)

    def _body(self, response: requests.Response, deadline: Deadline) -> bytes:
        """The unpacked body, no longer than allowed."""
        parts, size = [], 0
        for part in response.iter_content(CHUNK):
            size += len(part)
            if size > self._max_bytes:
                raise SourceProblem("AnswerTooLarge", f"the source's answer is larger than {self._max_bytes >> 20} MiB")
            deadline.left()
            parts.append(part)
        deadline.left()  # the end of a body without a length may be our own cut
        return b"".join(parts)

    def _authorization(self) -> Mapping[str, str]:
        """The token as the file holds it now: kubelet rotates it."""
        if self._token_file is None:
            return {}
        try:
            with self._token_file.open("rb") as file:
                token = file.read(LONGEST_TOKEN).decode("ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise SourceProblem("SourceMisconfigured", "the bearer token file cannot be read") from None
        if not token or not token.isprintable() or " " in token:
            raise SourceProblem("SourceMisconfigured", "the bearer token file holds no token")
        return {"Authorization": f"Bearer {token}"}

    def _problem(self, error: Exception) -> SourceProblem:
        """The reason for a failed exchange. Texts of errors hold addresses, so none is passed on."""
        if isinstance(error, requests.exceptions.SSLError):
            return SourceProblem("SourceUntrusted", "no trustworthy TLS connection: check caFile and the address")
        if isinstance(error, requests.Timeout):
            return SourceProblem("SourceTimeout", "the source did not answer in time", retry=True)
        if not isinstance(error, requests.RequestException | HTTPError) and self.verify is not True:
            return SourceProblem("SourceMisconfigured", "the CA file cannot be read")
        if isinstance(error, requests.exceptions.ConnectionError):
            return SourceProblem("SourceUnreachable", "no connection to the source", retry=True)
        return SourceProblem("InvalidAnswer", "the source's answer broke off or is not HTTP", retry=True)


def _refusal(status: int, body: bytes) -> str:
    """What a status other than 200 means, without a word of the body but the API's own names of errors."""
    try:
        kind = error_type(json.loads(body))
    except (ValueError, RecursionError):
        kind = "no reason given"
    return f"the source answers HTTP {status} ({kind})"
