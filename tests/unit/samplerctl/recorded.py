"""A rollout whose operator was scraped: its own metrics as a store would have them, from its own telemetry."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from prometheus_client.parser import text_string_to_metric_families
from sampler_rollouts.cluster.kinds import RolloutKey
from sampler_rollouts.domain.evidence.bound import upper_bound
from sampler_rollouts.domain.evidence.look import CheckLook, Evidence, Verdict
from sampler_rollouts.domain.evidence.samples import Question
from sampler_rollouts.domain.outcome import EventNote, Outcome
from sampler_rollouts.handlers.telemetry import Telemetry

from tests.support.loopback import running
from tests.unit.operator.domain.world import World, spec

KEY = RolloutKey("demo", "chat")
THRESHOLD = 6.68
BAD = {"unexpected-script": 12, "errors": 250}
"""One request in so many is bad, in pool cpu-a of a bad build."""

Labels = tuple[tuple[str, str], ...]


@dataclass
class Scraped(World):
    """A world whose checks see more with every look."""

    bad_build: bool = True
    telemetry: Telemetry = field(default_factory=Telemetry)
    series: dict[Labels, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    said: list[tuple[datetime, EventNote]] = field(default_factory=list)
    found: Evidence | None = None

    def evidence(self, asked: Question | None) -> Evidence | None:
        self.found = super().evidence(asked)
        return self.found

    def _look(self, pool: str, check: str, asked: Question) -> CheckLook:
        seen = int((self.now - asked.since).total_seconds() * (1.5 if pool == "cpu-a" else 0.7))
        odd = self.bad_build and pool == "cpu-a" and self.status.candidate is not None
        bad = seen // (BAD.get(check, 10**9) if odd else 900)
        log_e = max(-2.0, 0.9 * bad - 0.012 * seen) if check != "replay-audit" else 0.0
        bound = upper_bound(seen, bad, 0.95)
        failed, passed = log_e >= THRESHOLD, bound < 0.02
        verdict = Verdict.FAILED if failed else Verdict.PASSED if passed else Verdict.INCONCLUSIVE
        reason = "" if failed or passed else "TooFewRequests"
        return CheckLook(pool, check, verdict, reason, seen, bad, 0.02, bound, log_e, THRESHOLD, self.now)

    def tick(self, seconds: float = 5, *, writes: int | None = None) -> Outcome:
        outcome = super().tick(seconds, writes=writes)
        self.telemetry.decided(KEY, outcome, self.found)
        self.said += [(self.now, note) for note in outcome.events]
        for family in text_string_to_metric_families(self.telemetry.exposition().decode()):
            for sample in family.samples:
                labels = {"__name__": sample.name, "instance": "10.1.2.3:8080", **sample.labels}
                self.series[tuple(sorted(labels.items()))].append((self.now.timestamp(), sample.value))
        return outcome

    def body(self) -> dict[str, Any]:
        """The SamplerRollout as the API server shows it."""
        metadata = {"name": KEY.name, "namespace": KEY.namespace, "generation": self.generation}
        return {"metadata": metadata, "spec": self.spec, "status": self.raw_status}

    def notes(self) -> list[dict[str, Any]]:
        """Its Events as the API server shows them."""
        return [
            {
                "metadata": {"name": f"chat.{number}"},
                "eventTime": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "type": note.type,
                "reason": note.reason,
                "note": note.message,
            }
            for number, (at, note) in enumerate(self.said)
        ]


def tried(*, bad: bool = True, end: bool = True, **more: Any) -> Scraped:
    """A second release, rolled back or promoted, or in mid-canary."""
    limits = {"checks": [{"name": "errors", "maxRate": "2%"}, {"name": "unexpected-script", "maxRate": "2%"}], **more}
    steps = [{"weight": weight, "minDuration": "40s"} for weight in (10, 25, 50)]
    wanted = {"quality": limits, "strategy": {"steps": steps}, "replicas": 10}
    world = Scraped(spec("a", **wanted), bad_build=bad, name=KEY.name)
    world.until("Serving")
    world.run(60)
    world.update(spec("b", **wanted))
    world.run(60)
    if end:
        world.until("Serving")
        world.run(60)
    return world


@contextmanager
def store(series: dict[Labels, list[tuple[float, float]]], asked: list[str] | None = None) -> Iterator[str]:
    """A store that answers range selectors on instant queries with these series; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = parse_qs(urlsplit(self.path).query)
            (query,), (at,) = given["query"], given["time"]
            if asked is not None:
                asked.append(query)
            names, length = re.search(r'__name__=~"([^"]+)"', query), re.search(r"\[(\d+)ms\]$", query)
            assert names
            assert length
            wanted = dict(re.findall(r'(\w+)="([^"]*)"', query))
            start, end = float(at) - int(length[1]) / 1000, float(at)
            result = []
            for labels, points in series.items():
                own = dict(labels)
                if own["__name__"] not in names[1].split("|") or any(own.get(k) != v for k, v in wanted.items()):
                    continue
                values = [[time, str(value)] for time, value in points if start <= time <= end]
                result += [{"metric": own, "values": values}] if values else []
            answer = {"status": "success", "data": {"resultType": "matrix", "result": result}}
            payload = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *args: object) -> None:
            pass

    with running(HTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}"
