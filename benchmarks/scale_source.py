"""A metrics source for ``benchmarks.scale``: Prometheus' instant queries with range selectors, from generated counters.

Every pod is scraped each ``scrape`` seconds at a phase of its own, from its birth on. A counter is a function of the
pod's age, so nothing is stored, and any range can be asked for at any time. A pod of a bad build answers three of ten
checked requests with an unexpected script.
"""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.parse
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from quality_contract import AUDIT_KINDS, AUDIT_MISMATCH, AUDIT_TOKENS, BAD, CHECKED

SCRAPE = 15.0
REQUESTS_A_SECOND = 20
TOKENS_A_SECOND = 4.0
"""Audited, of each batch size and mode."""
BAD_SHARE = 0.3
FORGOTTEN_AFTER = 900.0
MODES = ("greedy", "full", "truncated")
CHECKS = ("errors", "unexpected-script")
_MATCHER = re.compile(r'(\w+)=~?"([^"]*)"')
_QUERY = re.compile(r"\{(?P<matchers>.*)\}\[(?P<span>\d+)ms\]", re.DOTALL)


@dataclass
class Pod:
    """One server, and how its counters grow."""

    labels: dict[str, str]
    born: float
    bad: bool
    buckets: int
    scrape: float = SCRAPE
    tokens: float = TOKENS_A_SECOND
    gone: float | None = None
    series: list[tuple[dict[str, str], str, float]] = field(default_factory=list)
    """Labels, the same as JSON, and the growth in a second."""

    def __post_init__(self) -> None:
        for own, growth in self._counters():
            labels = {**self.labels, "instance": f"{self.labels['pod']}:9090", "job": "samplers", **own}
            self.series.append((labels, json.dumps(labels), growth))

    def _counters(self) -> Iterator[tuple[dict[str, str], float]]:
        for check in CHECKS:
            share = BAD_SHARE if self.bad and check == "unexpected-script" else 0.0
            place = {"check": check, "route_hash": "none"}
            yield {"__name__": CHECKED, **place}, REQUESTS_A_SECOND
            yield {"__name__": BAD, **place}, REQUESTS_A_SECOND * share
        for bucket in range(self.buckets):
            for mode in MODES:
                place = {"batch_bucket": str(2**bucket), "mode": mode}
                yield {"__name__": AUDIT_TOKENS, **place}, self.tokens
                for kind in AUDIT_KINDS:
                    yield {"__name__": AUDIT_MISMATCH, **place, "kind": kind}, 0.0

    def scrapes(self, start: float, end: float) -> list[float]:
        """Times of scrapes in (start, end]."""
        end = end if self.gone is None else min(end, self.gone)
        first = self.born + zlib.crc32(self.labels["pod"].encode()) % 1000 * self.scrape / 1000
        number = max(0, int((start - first) // self.scrape) + 1)
        times = []
        while first + number * self.scrape <= end:
            times.append(round(first + number * self.scrape, 3))
            number += 1
        return times


class Source:
    """All pods there have been lately, by rollout and by name."""

    def __init__(self, buckets: int, scrape: float = SCRAPE, tokens: float = TOKENS_A_SECOND) -> None:
        self._buckets = buckets
        self._pace = scrape, tokens
        self._lock = threading.Lock()
        self._pods: dict[str, Pod] = {}
        self._of: dict[str, set[str]] = {}
        self.queries = 0
        self.samples = 0
        self.hangs = False
        source = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                asked = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                if source.hangs:
                    time.sleep(60)
                body = source.answer(asked["query"][0], float(asked["time"][0]))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def born(self, labels: dict[str, str], bad: bool) -> None:
        """A pod is ready."""
        pod = Pod(labels, time.time(), bad, self._buckets, *self._pace)
        with self._lock:
            self._pods[labels["pod"]] = pod
            self._of.setdefault(labels["rollout"], set()).add(labels["pod"])

    def died(self, name: str) -> None:
        """A pod is gone; its samples stay for a while."""
        with self._lock:
            now = time.time()
            if name in self._pods:
                self._pods[name].gone = now
            for old in [one for one, pod in self._pods.items() if pod.gone and now - pod.gone > FORGOTTEN_AFTER]:
                self._of[self._pods.pop(old).labels["rollout"]].discard(old)

    def pods(self, rollout: str) -> list[Pod]:
        """All of one rollout."""
        with self._lock:
            return [self._pods[name] for name in self._of.get(rollout, ())]

    def answer(self, query: str, at: float) -> bytes:
        """The JSON that Prometheus would send."""
        found = _QUERY.fullmatch(query)
        if found is None:
            raise ValueError(query)
        wanted = {
            label: frozenset(pattern.replace("[.]", ".").split("|"))
            for label, pattern in _MATCHER.findall(found["matchers"])
        }
        parts, start = [], at - int(found["span"]) / 1000
        for pod in self._selected(wanted):
            times = pod.scrapes(start, at)
            if not times:
                continue
            for labels, written, growth in pod.series:
                if all(labels.get(label, "") in values for label, values in wanted.items()):
                    values = ",".join(f'[{t:.3f},"{int((t - pod.born) * growth)}"]' for t in times)
                    parts.append(f'{{"metric":{written},"values":[{values}]}}')
                    self.samples += len(times)
        self.queries += 1
        body = '{"status":"success","data":{"resultType":"matrix","result":[' + ",".join(parts) + "]}}"
        return body.encode()

    def _selected(self, wanted: dict[str, frozenset[str]]) -> list[Pod]:
        """By the narrowest of what is asked for."""
        with self._lock:
            if "pod" in wanted:
                names = [name for name in wanted["pod"] if name in self._pods]
            elif "rollout" in wanted:
                names = [name for rollout in wanted["rollout"] for name in self._of.get(rollout, ())]
            else:
                names = list(self._pods)
            return [self._pods[name] for name in names]
