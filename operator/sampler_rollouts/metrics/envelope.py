"""The raw answer of the Prometheus query API, judged before anything is read from it.

``prometheus_api_client`` keeps ``data.result`` and drops the rest: warnings of a partial answer among it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from quality_contract import TARGET_NAMESPACE, TARGET_POD, TARGET_POOL, TARGET_REVISION, TARGET_ROLLOUT
from quality_contract.latency import LABEL_BOUND

from sampler_rollouts.domain.evidence.grid import FloatArray
from sampler_rollouts.domain.evidence.latency import bound_label
from sampler_rollouts.domain.evidence.samples import Series

Identity: TypeAlias = frozenset[tuple[str, str]]
"""All labels of a series, its name among them: what the store tells it from others by."""

ERROR_TYPES = frozenset(
    {"timeout", "canceled", "execution", "bad_data", "internal", "unavailable", "not_found", "not_acceptable"}
)
"""What an error may be called. Anything else that a server says stays out of status: it could be anything."""

SCRAPE_LABELS = frozenset(
    {
        *(TARGET_NAMESPACE, TARGET_POD, TARGET_ROLLOUT, TARGET_POOL, TARGET_REVISION, "__name__"),
        *("job", "instance", "container", "endpoint", "service", "node", "cluster"),
        *("prometheus", "prometheus_replica", "replica", "receive", "tenant_id"),
    }
)
"""Labels that say where a sample was read. Two series that differ in nothing else are copies of one counter."""

LATEST = 1e12
"""Unix seconds that no clock shows."""


MOST_SHARED = 100
"""Samples of a series up to which it is looked for another with the same: of a long history that costs more."""


class SourceProblem(Exception):  # noqa: N818 - it is an answer, given as data in the end
    """Why the source gave no complete answer: a CamelCase reason and a text without address, body or secret."""

    def __init__(self, reason: str, message: str, retry: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry = retry


def parse(body: bytes) -> dict[str, Any]:
    """The whole answer, if it is a complete and successful one of range vectors; else SourceProblem."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise SourceProblem("InvalidAnswer", "the source's answer is not JSON", retry=True) from None
    if not isinstance(answer, dict) or answer.get("status") not in {"success", "error"}:
        raise SourceProblem("InvalidAnswer", "the source's answer is not one of the Prometheus query API")
    if answer["status"] == "error":
        raise SourceProblem("QueryFailed", f"the source could not answer: {error_type(answer)}")
    if answer.get("warnings") or answer.get("infos"):
        raise SourceProblem("PartialAnswer", "the source warns that its answer may be incomplete")
    data = answer.get("data")
    if not isinstance(data, dict) or data.get("resultType") != "matrix" or not isinstance(data.get("result"), list):
        raise SourceProblem("InvalidAnswer", "the source's answer holds no raw samples")
    return answer


def error_type(answer: Any) -> str:
    """The kind of error of an error envelope, in the API's own words or ``unknown error``."""
    named = answer.get("errorType") if isinstance(answer, dict) else None
    return named if isinstance(named, str) and named in ERROR_TYPES else "unknown error"


def series_of(result: list[Any]) -> tuple[dict[Identity, Series], int]:
    """Read ``data.result``. Returns the series and how many were left out for want of name, pod, pool or revision.

    Raises SourceProblem if the result is not made of labels and float samples, or has a series twice.
    """
    found: dict[Identity, Series] = {}
    arrays = Arrays()
    unplaced = 0
    for item in result:
        with _well_formed():
            labels = _labels(item)
            identity, one = frozenset(labels.items()), _series(labels, item, arrays)
        if identity in found:
            raise SourceProblem("InvalidAnswer", "the source's answer holds a series twice")
        if one is None:
            unplaced += 1
        else:
            found[identity] = one
    return found, unplaced


def samples_of(item: Any) -> tuple[dict[str, str], FloatArray, FloatArray]:
    """Labels, Unix seconds and values of one series of ``data.result``, whatever its labels. Raises SourceProblem."""
    with _well_formed():
        return _labels(item), *Arrays().of(item["values"])


@contextlib.contextmanager
def _well_formed() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise SourceProblem("InvalidAnswer", "the source's answer holds a malformed series") from None


def _labels(item: Any) -> dict[str, str]:
    """TypeError for what is no text: nothing else can be interned."""
    return {sys.intern(name): sys.intern(value) for name, value in item["metric"].items()}


def _series(labels: Mapping[str, str], item: Mapping[str, Any], arrays: Arrays) -> Series | None:
    if "histograms" in item:
        raise ValueError("native histograms are not counters")
    metric, pod, pool, revision = (
        labels.get(name, "") for name in ("__name__", TARGET_POD, TARGET_POOL, TARGET_REVISION)
    )
    if not (metric and pod and pool and revision):
        return None
    times, values = arrays.of(item["values"])
    own = {name: value for name, value in labels.items() if name not in SCRAPE_LABELS}
    if LABEL_BOUND in own:  # "1" and "1.0" are one bound: exporters and versions of the store differ
        own[LABEL_BOUND] = bound_label(float(own[LABEL_BOUND]))
    return Series(metric, pod, pool, revision, _once(tuple(own.items())), times, values)


@functools.lru_cache(maxsize=4096)
def _once(labels: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The labels of many series are the same."""
    return dict(labels)


class Arrays:
    """Samples of one answer as arrays, each of them once: a pod's series are read at the same times, and most of them
    stay at zero. Whoever works on them finds by the array itself what is done already.
    """

    def __init__(self) -> None:
        self._times: dict[tuple[Any, ...], FloatArray] = {}
        self._values: dict[tuple[Any, ...], FloatArray] = {}

    def of(self, pairs: list[Any]) -> tuple[FloatArray, FloatArray]:
        """Unix seconds and values; values come as strings, NaN and infinities included."""
        if not isinstance(pairs, list):
            raise TypeError("samples are a list")
        if len(pairs) > MOST_SHARED:
            return _times(time for time, _ in pairs), _values([value for _, value in pairs])
        seconds, texts = zip(*pairs, strict=True) if pairs else ((), ())
        times = self._times.get(seconds)
        if times is None:
            times = self._times[seconds] = _times(seconds)
        values = self._values.get(texts)
        if values is None:
            values = self._values[texts] = _values(texts)
        return times, values


def _times(seconds: Iterable[Any]) -> FloatArray:
    times = np.array([float(one) for one in seconds], dtype=np.float64)
    if not (np.abs(times) < LATEST).all():
        raise ValueError("a sample has a time")
    return times


def _values(texts: Collection[Any]) -> FloatArray:
    if not all(isinstance(one, str) for one in texts):
        raise ValueError("a sample's value is a string")
    return np.array([float(one) for one in texts], dtype=np.float64)
