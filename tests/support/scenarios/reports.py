"""What pods that examine a build answer at ``GET /preflight``: the real bytes of a report, or a misfortune."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from quality_contract.preflight import FORMAT
from sampler_rollouts.domain.render import LABEL_POOL, LABEL_REVISION
from sampler_rollouts.domain.render_preflight import LABEL_PREFLIGHT_POOL, LABEL_PREFLIGHT_REVISION
from sampler_rollouts.pods.fetch import Answer, NoAnswerError

from tests.support.kube.api import MemoryApi
from tests.support.scenarios.specs import build_of

Obj = dict[str, Any]
TAKES = 6.0
"""Seconds of a pod's age at which it has a result."""
DIGEST = "sha256:" + "a" * 64
FAILURE: Obj = {
    "case": "synthetic, serving step at batch 4",
    "kind": "best-dropped",
    "wrong": 3,
    "rows": 8,
    "example": {"row": 1},
    "smallest": {"batch": 2, "vocabulary": 17, "top_k": 1},
}


@dataclass(frozen=True)
class Report:
    """What a pod says once it has had its time. ``status`` and ``body`` of a misfortune; None: nobody answers."""

    changes: Obj = field(default_factory=dict)
    status: int | None = 200
    body: bytes | None = None
    takes: float = TAKES


PASSES = Report()
FAILS = Report({"verdict": "failed", "failures": [FAILURE]})
OTHER_TOKENS = Report({"digest": "sha256:" + "b" * 64})
OTHER_LOGPROBS = Report({"prompts": [{"prompt": 0, "tokens": [5, 6, 7], "logprobs": [-3.0, -4.5]}]})
HAS_NONE = Report(status=404, body=b'{"state": "off"}')
IS_STUCK = Report(takes=1e9)
SAYS_NOTHING = Report(status=None)
RAVES = Report(body=b'{"verdict": "passed"}')
LIES = Report({"outcomes": []})


def _runs(pod: Obj) -> bool:
    """Whether there is a process that could answer."""
    return any("running" in one["state"] for one in pod["status"].get("containerStatuses") or [])


def report(revision: str, **changes: Any) -> Obj:
    """A report that passed, but for what is changed."""
    return {
        "verdict": "passed",
        "reason": "preflight passed: 1 cases, 0 not run",
        "subject": {"revision": revision, "model": "synthetic", "platform": "cpu", "precision": "float32"},
        "outcomes": [{"case": "the step", "group": "served", "required": True, "rows": 8, "wrong": 0, "seconds": 0.1}],
        "not_run": [],
        "failures": [],
        "digest": DIGEST,
        "prompts": [{"prompt": 0, "tokens": [5, 6, 7], "logprobs": [-3.0, -4.0]}],
        "format": FORMAT,
    } | changes


class Reports:
    """Answers for every pod of the cluster, by its address."""

    def __init__(self, api: MemoryApi, clock: Callable[[], datetime]) -> None:
        self._api = api
        self._clock = clock
        self.says: dict[tuple[str, str], Report] = {}
        """By build and pool; a pool of "" is all of them."""
        self.hangs: set[str] = set()
        """Pods that never get to an end, whatever their build."""
        self.asked = 0

    def get(self, address: str) -> Answer:
        """``GET /preflight`` of the pod with this address."""
        self.asked += 1
        pods = self._api.kinds("pods").values()
        pod = next((one for one in pods if (one.get("status") or {}).get("podIP") == address), None)
        if pod is None:
            raise NoAnswerError("no connection to its metrics port")
        labels, build = pod["metadata"]["labels"], build_of(pod["spec"]["containers"][0]["image"])
        if LABEL_PREFLIGHT_POOL not in labels:
            raise AssertionError(f"a server was asked: {labels[LABEL_POOL]}, {labels[LABEL_REVISION]}")
        pool = labels[LABEL_PREFLIGHT_POOL]
        says = self.says.get((build, pool)) or self.says.get((build, "")) or PASSES
        age = (self._clock() - datetime.fromisoformat(pod["metadata"]["creationTimestamp"])).total_seconds()
        if says.status is None or not _runs(pod):
            raise NoAnswerError("it did not answer in time")
        if age < says.takes or pod["metadata"]["name"] in self.hangs:
            return Answer(503, b'{"state": "running"}')
        made = json.dumps(report(labels[LABEL_PREFLIGHT_REVISION], **says.changes)).encode()
        return Answer(says.status, made if says.body is None else says.body)
