"""SamplerRollouts as the API server shows them, their records and Events, as whoever the kubeconfig says.

Annotations are all that is written.
"""

from __future__ import annotations

import copy
import json
import os
import re
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import urllib3
import yaml
from kubernetes import client, config
from sampler_rollouts.domain.render import LABEL_REVISION
from sampler_rollouts.domain.resource import GROUP, KIND, VERSION
from sampler_rollouts.domain.rules import DNS_SUBDOMAIN

from samplerctl.errors import AwayError, ChangedError, GoneError, InputError, LostError

PLURAL = "samplerrollouts"
_NAME: Final = re.compile(DNS_SUBDOMAIN)
API = f"/apis/{GROUP}/{VERSION}"
MERGE_PATCH = "application/merge-patch+json"
AGENT: Final = "samplerctl"
"""Under which name the API server remembers what was written, in its audit log and as the field manager."""
TIMEOUT = (3.0, 10.0)
"""Seconds to connect, and to be answered."""
AWAY: Final = frozenset({429, 500, 502, 503, 504})
"""What an API server answers that has too much to do, or is only coming up."""


class Rollouts(Protocol):
    """Where SamplerRollouts are read from."""

    namespace: str

    def of(self, namespace: str) -> Rollouts:
        """Those of another namespace."""
        ...

    def get(self, name: str) -> dict[str, Any]:
        """One of them; GoneError if there is none, LostError if nobody may say, AwayError without an answer."""
        ...

    def every(self, *, everywhere: bool = False) -> list[dict[str, Any]]:
        """All of the namespace, or of every one; InputError if nobody may say."""
        ...

    def records(self, revision: str, *, everywhere: bool) -> list[dict[str, Any]]:
        """ControllerRevisions of one revision, of whatever SamplerRollout; InputError if nobody may say."""
        ...

    def events(self, name: str) -> list[dict[str, Any]]:
        """Events about one of them; InputError if nobody may say."""
        ...

    def annotate(self, name: str, annotations: Mapping[str, str | None], version: str) -> None:
        """Set annotations of one, or take them away (None); InputError if it is refused.

        ChangedError if it is another version by now. An empty one is any.
        """
        ...


class KubernetesRollouts:
    """Those of one namespace of a cluster."""

    def __init__(self, kubeconfig: Path | None, context: str | None, namespace: str | None) -> None:
        # Read here: the client library looks at the variable once, when it is imported.
        file = str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG")
        named = file or str(Path(config.KUBE_CONFIG_DEFAULT_LOCATION).expanduser())
        try:
            self._client = config.new_client_from_config(config_file=file, context=context)
            chosen = _context(file, context)
        except (config.ConfigException, OSError, ValueError, LookupError, TypeError, yaml.YAMLError) as error:
            # The client library looks into what it has read as if it had the right shape.
            raise InputError(f"no cluster to ask: {named} {_why(error, context, named)}") from None
        self.namespace = namespace or str(chosen["context"].get("namespace") or "default")
        self._from = f"context {chosen['name']} of {named}"
        self._client.user_agent = AGENT
        self._client.configuration.retries = urllib3.Retry(total=1, connect=1, read=0, redirect=0)

    def of(self, namespace: str) -> KubernetesRollouts:
        """By the same connection."""
        other = copy.copy(self)
        other.namespace = namespace
        return other

    def get(self, name: str) -> dict[str, Any]:
        """One SamplerRollout, decoded and not understood: the server may be newer than this command."""
        body = self._ask(self._place(name), f"show SamplerRollout {name}", name=name)
        if not isinstance(body.get("metadata"), dict):
            raise InputError("the API server's answer is not a SamplerRollout: does --kubeconfig name a cluster?")
        return body

    def every(self, *, everywhere: bool = False) -> list[dict[str, Any]]:
        """All SamplerRollouts of the namespace, or of all namespaces."""
        if everywhere:
            return self._list(f"{API}/{PLURAL}", "list SamplerRollouts of all namespaces")
        return self._list(self._place(), "list SamplerRollouts")

    def records(self, revision: str, *, everywhere: bool) -> list[dict[str, Any]]:
        """By the label that each of them carries."""
        place = "" if everywhere else f"/namespaces/{self.namespace}"
        wanted = {"labelSelector": f"{LABEL_REVISION}={revision}"}
        return self._list(f"/apis/apps/v1{place}/controllerrevisions", "list ControllerRevisions", wanted)

    def events(self, name: str) -> list[dict[str, Any]]:
        """By what they are about."""
        wanted = {"fieldSelector": f"regarding.kind={KIND},regarding.name={name}"}
        return self._list(f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events", "list Events", wanted)

    def annotate(self, name: str, annotations: Mapping[str, str | None], version: str) -> None:
        """A merge patch of annotations alone, of the version that was looked at."""
        metadata: dict[str, Any] = {"annotations": dict(annotations)}
        patch = {"metadata": metadata | ({"resourceVersion": version} if version else {})}
        self._ask(self._place(name), f"annotate SamplerRollout {name}", name=name, patch=patch)

    def _place(self, name: str = "") -> str:
        for what, said in (("NAME", name), ("--namespace", self.namespace)):
            # In a path a slash would lead to something else.
            if said and not _NAME.fullmatch(said):
                raise InputError(f"{what}: {said!r} is no name: write lower-case letters, digits, dashes and dots")
        return f"{API}/namespaces/{self.namespace}/{PLURAL}" + (f"/{name}" if name else "")

    def _list(self, place: str, what: str, wanted: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        items = self._ask(place, what, wanted=wanted).get("items")
        if not isinstance(items, list):
            raise InputError("the API server's answer is not a list: does --kubeconfig name a cluster?")
        return [item for item in items if isinstance(item, dict) and isinstance(item.get("metadata"), dict)]

    def _ask(
        self,
        place: str,
        what: str,
        *,
        name: str = "",
        wanted: Mapping[str, str] | None = None,
        patch: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        headers = {"Accept": "application/json"} | ({"Content-Type": MERGE_PATCH} if patch else {})
        prepared = self._client.param_serialize(
            "PATCH" if patch else "GET",
            place,
            query_params=list((wanted or {}).items()),
            header_params=headers,
            body=patch,
            auth_settings=["BearerToken"],
        )
        try:
            response = self._client.call_api(*prepared, _request_timeout=TIMEOUT)
            payload = response.read() or b""
        except (client.ApiException, urllib3.exceptions.HTTPError) as error:
            raise AwayError(f"{self._client.configuration.host} {_silence(error)} ({self._from})") from None
        if response.status != 200:
            raise self._refusal(response.status, payload, place, what, name)
        return _decoded(payload)

    def _refusal(self, status: int, payload: bytes, place: str, what: str, name: str) -> InputError:
        told = f"the API server refuses to {what}: {_reason(status, payload)}"
        if status == 401:
            return LostError(f"{told}: it does not know who asks: log in again, or correct the user of {self._from}")
        if status == 404 and name and _named(payload) == name:
            return GoneError(f"there is no SamplerRollout {name} in namespace {self.namespace}: name another with -n")
        if status == 404 and place.startswith(API):
            # What is answered where there is no such kind speaks of no object.
            return LostError(
                f"the cluster has no definition of {KIND} ({self._from}): install the operator's chart, or the "
                "definitions alone (kubectl apply --server-side -f crds/), or name another cluster with --context"
            )
        return {403: LostError, 404: LostError, 409: ChangedError}.get(status, _other(status))(told)


def context_names(kubeconfig: Path | None) -> list[str]:
    """All that a kubeconfig has. Raises what the client library raises where it cannot be used."""
    contexts, _ = config.list_kube_config_contexts(str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG"))
    return [str(one["name"]) for one in contexts]


def _context(file: str | None, context: str | None) -> dict[str, Any]:
    """The one that is named, or the current one."""
    contexts, active = config.list_kube_config_contexts(config_file=file)
    chosen: dict[str, Any] = next((one for one in contexts if one["name"] == context), active)
    return chosen


def _why(error: Exception, context: str | None, named: str) -> str:
    """The client library says the same of a file that is missing and of one that names nothing."""
    said, remedy = " ".join(str(error).split()), "set KUBECONFIG or --kubeconfig to a file that names one"
    if not any(Path(one).exists() for one in named.split(os.pathsep)):
        return f"does not exist: {remedy}"
    if context and f"name {context}" in said:
        return f"has no context {context}: name another with --context"
    return f"cannot be used ({said}): {remedy}"


_SILENCES: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (ConnectionRefusedError, "refused the connection: is the cluster up?"),
    (socket.gaierror, "is on an unknown host: correct the server's address"),
    (ssl.SSLCertVerificationError, "has a certificate that is not trusted: correct certificate-authority"),
    (ssl.SSLError, "does not speak TLS as it should: correct the server's address"),
    (TimeoutError, "did not answer in time: is the cluster up?"),
    (urllib3.exceptions.TimeoutError, "did not answer in time: is the cluster up?"),
    (ConnectionError, "broke the connection off: is the cluster up?"),
)


def _silence(error: BaseException) -> str:
    """Why there is no answer, by what is at the bottom: what the library says names objects of its own."""
    chain: list[BaseException] = []
    deeper: BaseException | None = error
    while deeper is not None and deeper not in chain:
        chain.append(deeper)
        reason = getattr(deeper, "reason", None)
        deeper = reason if isinstance(reason, BaseException) else deeper.__cause__ or deeper.__context__
    told = (words for one in reversed(chain) for kind, words in _SILENCES if isinstance(one, kind))
    return next(told, f"does not answer: {type(error).__name__}: {' '.join(str(error).split())}"[:300])


def _other(status: int) -> type[InputError]:
    return AwayError if status in AWAY else InputError


def _named(payload: bytes) -> str:
    """The object that an answer is about; empty if it is about none."""
    details = _decoded(payload).get("details")
    return str(details.get("name") or "") if isinstance(details, dict) else ""


def _decoded(payload: bytes) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _reason(status: int, payload: bytes) -> str:
    return str(_decoded(payload).get("message") or f"HTTP {status}")[:300]
