"""What one look at a long rollout costs: reading the whole history each time, against reading it on.

python benchmarks/metrics_history.py                  # 12 pods, 24 h, a scrape each 15 s
python benchmarks/metrics_history.py --pods 4 --hours 2
python benchmarks/metrics_history.py --pods 4 --alone # of a release that serves, with its bake behind it

A fake source writes the JSON that Prometheus would send, by the sampler's own counters: 2 checks x 2 route hashes,
4 batch sizes x 3 modes of the audit, 5 kinds of mismatch for each, all stored when a look comes. What is timed is what
the operator does with it: parse, merge, fold, evaluate. Making the JSON is not. Each way runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import resource
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from quality_contract import AUDIT_MISMATCH, AUDIT_TOKENS, BAD, CHECKED
from sampler_rollouts.domain.evidence.evaluate import evaluate
from sampler_rollouts.domain.evidence.samples import Arm, CheckPlan, Question, SampleSet
from sampler_rollouts.metrics import prometheus
from sampler_rollouts.metrics.config import MetricsSource
from sampler_rollouts.metrics.envelope import SourceProblem, parse, series_of

SCRAPE = 15
START = datetime(2026, 11, 23, 12, tzinfo=UTC)
CHECKS = ("errors", "unexpected-script")
MODES = ("greedy", "full", "truncated")
BUCKETS = ("1", "2", "4", "8")
KINDS = ("best-dropped", "outside-kept", "other-token", "kept-set", "invalid-row")
MEBIBYTE = 1 << 20


def label_sets() -> Iterator[tuple[str, dict[str, str], int]]:
    """Metric, own labels and gain a scrape of every series of one pod."""
    for check in CHECKS:
        for route_hash, gain in (("none", 23), ("other", 0)):
            yield CHECKED, {"check": check, "route_hash": route_hash}, gain
            yield BAD, {"check": check, "route_hash": route_hash}, 0
    for bucket in BUCKETS:
        for mode in MODES:
            yield AUDIT_TOKENS, {"batch_bucket": bucket, "mode": mode}, 11
            for kind in KINDS:
                yield AUDIT_MISMATCH, {"batch_bucket": bucket, "mode": mode, "kind": kind}, 0


class Source:
    """In the place of an exchange: what it answers was stored, sent and parsed, but over no wire."""

    def __init__(self, pods: int, most_bytes: int) -> None:
        self.pods = pods
        self.most_bytes = most_bytes
        self.unplaced = 0
        self.sent, self.answers, self.making = 0, 0, 0.0

    def raw(self, selector: str, start: int, end: int) -> Any:
        began = time.process_time()
        body = self._body(dict(re.findall(r'(\w+)=~?"([^"]*)"', selector)), start, end)
        self.making += time.process_time() - began
        self.sent += min(len(body), self.most_bytes)
        self.answers += 1
        if len(body) > self.most_bytes:
            raise SourceProblem("AnswerTooLarge", "too large")
        return series_of(parse(body)["data"]["result"])[0]

    def _body(self, wanted: dict[str, str], start: int, end: int) -> bytes:
        zero = round(START.timestamp() * 1000)
        scrapes = range(max(0, -(-(start - zero) // (SCRAPE * 1000))), (end - zero) // (SCRAPE * 1000) + 1)
        parts, size = [], 0
        for pod in range(self.pods):
            for metric, labels, gain in label_sets():
                if not re.fullmatch(wanted["__name__"], metric) or not re.fullmatch(wanted["revision"], "r2"):
                    continue
                place = {"namespace": "team", "rollout": "chat", "pool": "gpu", "pod": f"chat-gpu-r2-{pod}"}
                more = {"revision": "r2", "instance": f"10.0.0.{pod}:9090", "job": "samplers", "__name__": metric}
                offset = zero // 1000 + pod
                values = ",".join(f'[{offset + n * SCRAPE}.123,"{n * gain}"]' for n in scrapes)
                parts.append(f'{{"metric":{json.dumps(place | more | labels)},"values":[{values}]}}')
                size += len(parts[-1])
                if size > self.most_bytes:
                    break  # what is too large need not be made to its end
        body = '{"status":"success","data":{"resultType":"matrix","result":[' + ",".join(parts) + "]}}"
        return body.encode()

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def question(pods: int, alone: bool) -> Question:
    births = {f"chat-gpu-r2-{pod}": START for pod in range(pods)}
    checks = (*(CheckPlan(name, 0.03) for name in CHECKS), CheckPlan("replay-audit", 0.001))
    arms = (Arm("gpu", "r2", births, "" if alone else "r1"),)
    found = Question("team", "chat", "default", START, arms, checks, 0.005, 0.95, 1.0, 2)
    return replace(found, bake_intervals=1440) if alone else found


def kept(samples: SampleSet) -> float:
    """KiB from which the next look starts: samples, each array once, and the pod-intervals of older ones."""
    arrays = {id(array): array.nbytes for one in samples.series for array in (one.times, one.values)}
    return (sum(arrays.values()) + sum(one.size for one in samples.folded.values())) / 1024


def whole(source: Source, now: datetime) -> SampleSet:
    """As it was: one query for each metric, from the rollout's start."""
    found = []
    for metric in (CHECKED, BAD, AUDIT_TOKENS, AUDIT_MISMATCH):
        selector = f'{{__name__=~"{metric}",revision=~"r2"}}'
        found += list(source.raw(selector, round(START.timestamp() * 1000), round(now.timestamp() * 1000)).values())
    return SampleSet(tuple(found), now, SCRAPE)


def measure(way: str, pods: int, hours: float, alone: bool, looks: int, answer: Any) -> None:
    """Bytes and CPU seconds of a look, and the process' peak memory; of the new way also what a restart costs."""
    config = MetricsSource(url="http://unused", scrape_interval=SCRAPE, timeout=60.0)
    limit = 10**12 if way == "whole" else config.max_response_mebibytes * MEBIBYTE
    source, asked = Source(pods, limit), question(pods, alone)
    real = prometheus.PrometheusSource(config)
    vars(prometheus)["Exchange"] = lambda *_: source
    base = peak()
    found: list[dict[str, float]] = []
    for number in range(looks):
        now = START + timedelta(hours=hours, seconds=number * SCRAPE)
        source.sent, source.answers, source.making = 0, 0, 0.0
        began = time.process_time()
        samples = whole(source, now) if way == "whole" else real.fetch(asked, now)
        while samples.unavailable == "ReadingHistory":
            samples = real.fetch(asked, now)
        look = evaluate(asked, samples, now).looks["gpu", "errors"]
        cpu = time.process_time() - began - source.making
        size = kept(samples)
        del samples
        counts = {"checked": look.checked, "answers": source.answers}
        found.append({"bytes": source.sent, "cpu": cpu, "kept": size, **counts})
    answer.send({"looks": found, "memory": peak() - base})


def peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(way: str, arguments: argparse.Namespace, looks: int) -> dict[str, Any]:
    """Measure in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    asked = (way, arguments.pods, arguments.hours, arguments.alone, looks, theirs)
    child = multiprocessing.Process(target=measure, args=asked)
    child.start()
    theirs.close()
    result: dict[str, Any] = ours.recv()
    child.join()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=12)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--alone", action="store_true", help="of a release that serves, tested against limits alone")
    arguments = parser.parse_args()
    old, new = run("whole", arguments, 1), run("on", arguments, 20)
    first, later = new["looks"][0], new["looks"][1:]
    before = old["looks"][0]
    assert before["checked"] == first["checked"], (before, first)
    mean = {name: sum(look[name] for look in later) / len(later) for name in ("bytes", "cpu", "kept")}
    series = len(list(label_sets()))
    print(f"{arguments.pods} pods, {arguments.hours:g} h, a scrape each {SCRAPE} s, {series} series a pod")
    print(f"{'':<24}{'whole each time':>18}{'read on':>12}{'ratio':>9}{'after a restart':>18}")
    rows = (
        ("MiB read a look", before["bytes"] / MEBIBYTE, mean["bytes"] / MEBIBYTE, first["bytes"] / MEBIBYTE),
        ("CPU seconds a look", before["cpu"], mean["cpu"], first["cpu"]),
        ("answers", before["answers"], later[-1]["answers"], first["answers"]),
        ("kept, KiB", before["kept"], mean["kept"], first["kept"]),
        ("peak memory, MiB", old["memory"], new["memory"], new["memory"]),
    )
    for name, was, now, restart in rows:
        print(f"{name:<24}{was:>18.2f}{now:>12.3f}{was / now:>8.0f}x{restart:>18.2f}")


if __name__ == "__main__":
    main()
