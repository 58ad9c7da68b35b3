"""What the operator costs with many SamplerRollouts, and whether one bad build among them is taken back in time.

python -m benchmarks.scale                       # 100, 500, 1000 and 2000 rollouts of 4 pools, about 40 minutes
python -m benchmarks.scale --counts 100 500 --seconds 120 --out out/scale.md
python -m benchmarks.scale --bake 24h            # all in their bake: each is looked at once a scrape

It starts a real API server and etcd, on free ports and in a folder of their own, and no other component: pods are made
for each Deployment and are ready at once, as kwok would have them, and a small HTTP server answers Prometheus' queries
from generated counters. The operator is its own process, as the image starts it. Everything shares one machine.

For each count rollouts are added until so many serve and have their bake behind them; then it is looked on for a while
(the steady state: each is looked at once a minute, R22); then some get another build, one after the other, and it is
timed how long their first new pod takes to be there; then some get a bad build, one after the other.

Ends with 1 if a goal is missed (``scale_goals``).
"""

from __future__ import annotations

import argparse
import math
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sampler_rollouts.cluster.transport import KubernetesApi
from sampler_rollouts.domain.quantities import seconds
from sampler_rollouts.metrics.config import MetricsSource

from benchmarks.scale_cluster import BAD_IMAGE, Kubelets, Server, namespace, prepare, until
from benchmarks.scale_decided import asked, sufficed
from benchmarks.scale_goals import P99, Decision, Row, goals, table
from benchmarks.scale_source import SCRAPE, Source

Obj = dict[str, Any]
ROOT: Final = Path(__file__).resolve().parents[1]
RESOURCE: Final = "/apis/samplerrollouts.io/v1alpha1"
POOLS: Final = ("gpu", "tpu", "trainium", "cpu")
GOOD_IMAGE: Final = "a" * 64
OTHER_IMAGE: Final = "c" * 64
BAKE: Final = "30s"
LATE: Final = 2.5
"""Seconds from when a look is due to its end: looks at a rollout under way are three apart."""
_SAMPLE: Final = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
_VERBS: Final = ("GET", "LIST", "WATCH", "PUT", "PATCH", "APPLY", "POST", "DELETE")
Samples = Counter[tuple[str, frozenset[tuple[str, str]]]]


def rollout(number: int, digest: str = GOOD_IMAGE, bake: str = BAKE) -> Obj:
    """A SamplerRollout of four pools."""
    pools = [
        {"name": pool, "platform": "cpu", "replicas": 1, "image": f"registry.invalid/sampler@sha256:{digest}"}
        for pool in POOLS
    ]
    return {
        "apiVersion": "samplerrollouts.io/v1alpha1",
        "kind": "SamplerRollout",
        "metadata": {"name": name(number), "namespace": namespace(number)},
        "spec": {
            "pools": pools,
            "strategy": {"steps": [{"weight": 50, "minDuration": "10m"}], "bakeTime": bake},
            "quality": {"designEffect": "1", "checks": [{"name": "unexpected-script", "maxRate": "1%"}]},
            "rollback": {"drainTimeout": "5s"},
        },
    }


def name(number: int) -> str:
    """Of the rollout with this number."""
    return f"model-{number}"


class Operator:
    """The process, and what it says of itself."""

    def __init__(self, folder: Path, source: Source, tree: Path, flags: Sequence[str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.source = MetricsSource(url=source.url, scrapeInterval=SCRAPE)
        config = folder / "operator.yaml"
        config.write_text(f"metricsSources: {{default: {{url: '{source.url}', scrapeInterval: {SCRAPE:g}}}}}\n")
        self.log = folder / "operator.log"
        options = ["--config", str(config), "--probe-port", str(self.port), "--log-level", "warning", *flags]
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "sampler_rollouts", *options]
            environ = {**os.environ, "PYTHONPATH": f"{tree / 'operator'}:{tree / 'contract'}"}
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environ)

    def metrics(self) -> Samples:
        """Its own, without what it knows of single rollouts."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
            return samples(answer.read().decode(), ("sampler_rollouts_reconcile", "sampler_rollouts_metrics_source"))

    def stop(self) -> None:
        """As a Deployment would."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def samples(text: str, prefixes: tuple[str, ...]) -> Samples:
    """Values by name and labels."""
    found: Samples = Counter()
    for metric, labels, value in _SAMPLE.findall(text):
        if metric.startswith(prefixes) and not metric.endswith("_created"):
            found[metric, frozenset(_LABEL.findall(labels))] = float(value)  # type: ignore[assignment]
    return found


def by(found: Samples, metric: str, label: str) -> Counter[str]:
    """Sums of one metric by one label."""
    sums: Counter[str] = Counter()
    for (which, labels), value in found.items():
        if which == metric:
            sums[dict(labels).get(label, "")] += value
    return sums


def statuses(found: Samples) -> float:
    """Those that the API server took."""
    put = {"resource": "samplerrollouts", "subresource": "status", "verb": "PUT", "code": "200"}.items()
    return sum(value for (_, labels), value in found.items() if put <= dict(labels).items())


def quantile(buckets: Counter[str], part: float) -> str:
    """The bound of the bucket in which a quantile lies: no more is known."""
    bounds = sorted((float(bound), count) for bound, count in buckets.items())
    total = bounds[-1][1] if bounds else 0
    bound = next((bound for bound, count in bounds if total and count >= part * total), float("nan"))
    return f"≤ {bound:g}"


def longer(buckets: Counter[str], seconds: float) -> float:
    """The share of looks that took longer than a bucket's bound."""
    total = buckets["+Inf"]
    return 1 - buckets[f"{seconds:.1f}"] / total if total else 0.0


def cpu_seconds(pid: int) -> float:
    """That a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int, field: str) -> float:
    """Resident memory in MB: now (VmRSS) or at most (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(field))


class Bench:
    """One API server, one source, one operator, more and more rollouts."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.server = Server()
        self.source = Source(options.buckets)
        self.rows: list[Row] = []
        self._there = 0
        self._bad = 0

    def run(self) -> None:
        """All of it; nothing is left behind."""
        try:
            self.server.start()
            self.api = KubernetesApi()
            prepare(self.api, ROOT / "crds")
            self.kubelets = Kubelets(KubernetesApi(), self.source)
            self.kubelets.start()
            self.operator = Operator(self.server.folder, self.source, self.options.tree.resolve(), self.options.flag)
            try:
                for count in self.options.counts:
                    self.rows.append(self._row(count))
                    print(table(self.rows), flush=True)
            finally:
                self.operator.stop()
                tail = self.operator.log.read_text().splitlines()[-self.options.tail :]
                print("\n".join(["last words of the operator:", *tail]) if self.options.tail else "", flush=True)
                print("problems of the stand-in:", Counter(self.kubelets.problems).most_common(3), flush=True)
        finally:
            self.server.stop()

    def _row(self, count: int) -> Row:
        row = Row(count, self._begin(count))
        say(f"{count} serve, {row.begun:.0f} s after the first of {count - self._there} was created")
        self._there = count
        time.sleep(self.options.settle)
        self._look_on(row)
        row.starts = self._starts(count)
        row.decisions = [self._one_bad() for _ in range(self.options.bad)]
        return row

    def _begin(self, count: int) -> float:
        """Until all serve, and are verified if their bake is short."""
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._create, range(self._there, count)))
        until(f"{count} to serve", lambda: self._serve() >= count, self.options.patience, 5.0)
        return time.monotonic() - began

    def _create(self, number: int) -> None:
        body = self._rollout(number)
        self.api.request("POST", f"{RESOURCE}/namespaces/{namespace(number)}/samplerrollouts", body=body)

    def _rollout(self, number: int, digest: str = GOOD_IMAGE) -> Obj:
        return rollout(number, digest, self.options.bake)

    def _serve(self) -> int:
        wanted, done = "verified" if seconds(self.options.bake) < self.options.patience else "stable", 0
        query = {"limit": "500"}
        while True:
            page = self.api.request("GET", f"{RESOURCE}/samplerrollouts", query=query)
            done += sum(bool((one.get("status") or {}).get(wanted)) for one in page["items"])
            if not (token := page["metadata"].get("continue")):
                break
            query["continue"] = token
        say(f"{done} {wanted}, {self.kubelets.made} pods made, operator {self._rss():.0f} MB")
        return done

    def _rss(self) -> float:
        return memory(self.operator.process.pid, "VmRSS")

    def _look_on(self, row: Row) -> None:
        pid, api_pid = self.operator.process.pid, self.server.processes["kube-apiserver"].pid
        before, served, queries = self.operator.metrics(), self._asked(), self.source.queries
        used, api_used, began = cpu_seconds(pid), cpu_seconds(api_pid), time.monotonic()
        time.sleep(self.options.seconds)
        took = time.monotonic() - began
        row.cores = (cpu_seconds(pid) - used) / took
        row.api_cores = (cpu_seconds(api_pid) - api_used) / took
        row.rss, row.peak = self._rss(), memory(pid, "VmHWM")
        row.queries = (self.source.queries - queries) / took
        after = self.operator.metrics()
        after.subtract(before)
        ended = by(after, "sampler_rollouts_reconcile_total", "result")
        buckets = by(after, "sampler_rollouts_reconcile_duration_seconds_bucket", "le")
        row.looks = sum(ended.values()) / took
        row.failures = " ".join(f"{how} {n:.0f}" for how, n in ended.items() if how != "success" and n)
        row.late, row.slow = longer(buckets, LATE), longer(buckets, P99)
        row.p50, row.p99 = quantile(buckets, 0.5), quantile(buckets, 0.99)
        served_after = self._asked()
        served_after.subtract(served)
        verbs = by(served_after, "apiserver_request_total", "verb")
        row.requests = " ".join(f"{verb} {verbs[verb] / took:.1f}" for verb in _VERBS if verbs[verb] / took >= 0.05)
        row.writes = statuses(served_after) / took
        row.load = os.getloadavg()[0]

    def _asked(self) -> Samples:
        """Requests for what the operator reads and writes, as the API server counts them; the pods' stand-in rests
        meanwhile."""
        prepared = self.api._client.param_serialize("GET", "/metrics")
        text = self.api._client.call_api(*prepared, _request_timeout=(3, 30)).read().decode()
        kinds = {"samplerrollouts", "deployments", "services", "controllerrevisions", "pods", "httproutes", "events"}
        found = samples(text, ("apiserver_request_total",))
        return Counter({key: value for key, value in found.items() if dict(key[1]).get("resource") in kinds})

    def _starts(self, count: int) -> str:
        """Seconds from a change of a spec to the first pod of the new build, for several rollouts; and then back."""
        waits: list[float] = []
        for number in sorted(
            {count - 1 - place * count // self.options.changes for place in range(self.options.changes)}
        ):
            path = f"{RESOURCE}/namespaces/{namespace(number)}/samplerrollouts/{name(number)}"
            kind, known = "application/merge-patch+json", {pod.labels["pod"] for pod in self.source.pods(name(number))}
            began = time.time()
            self.api.request(
                "PATCH", path, body={"spec": self._rollout(number, OTHER_IMAGE)["spec"]}, content_type=kind
            )

            def came(number: int = number, known: set[str] = known) -> list[float]:
                return [pod.born for pod in self.source.pods(name(number)) if pod.labels["pod"] not in known]

            until(f"a new pod of {name(number)}", came, 60, 0.05)
            waits.append(min(came()) - began)
            self.api.request("PATCH", path, body={"spec": self._rollout(number)["spec"]}, content_type=kind)
        waits.sort()
        return f"{waits[len(waits) // 2]:.2f}, {waits[-1]:.2f} of {len(waits)}" if waits else ""

    def _one_bad(self) -> Decision:
        """A bad build for one that serves, until it is taken back: how long after the scrape that sufficed."""
        number, self._bad = self._bad, self._bad + 1
        path = f"{RESOURCE}/namespaces/{namespace(number)}/samplerrollouts/{name(number)}"
        kind = "application/merge-patch+json"
        body = {"spec": {"pools": self._rollout(number, BAD_IMAGE)["spec"]["pools"]}}
        began = time.time()
        self.api.request("PATCH", path, body=body, content_type=kind)
        seen: list[Obj] = []
        try:
            until(f"{name(number)} to be rolled back", lambda: self._is_back(path, seen), 300, 0.05)
        except TimeoutError as error:
            say(str(error))
            return Decision(math.inf)
        decided = time.time()
        bad = [pod for pod in self.source.pods(name(number)) if pod.bad]
        every = [stamp for pod in self.source.pods(name(number)) for stamp in pod.scrapes(began, decided)]
        about = asked(seen[-1]) if seen else None
        enough = sufficed(self.operator.source, about, every) if about else None
        until("its pods to go", lambda: all(pod.gone for pod in bad), 120, 0.05)
        self.api.request("PATCH", path, body={"spec": self._rollout(number)["spec"]}, content_type=kind)
        scrapes = [stamp for pod in bad for stamp in pod.scrapes(0, decided)]
        if enough is None:
            return Decision(math.nan, len(scrapes))
        return Decision(decided - enough, len(scrapes), sum(stamp <= enough for stamp in scrapes))

    def _is_back(self, path: str, seen: list[Obj]) -> bool:
        """Whether it is; ``seen`` is the last state in which it was not."""
        found = self.api.request("GET", path)
        conditions = (found.get("status") or {}).get("conditions") or []
        back = any(one["type"] == "RolledBack" and one["status"] == "True" for one in conditions)
        if not back:
            seen[:] = [found]
        return back


def say(text: str) -> None:
    """What goes on."""
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Whether a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 500, 1000, 2000], help="rollouts, rising")
    parser.add_argument("--seconds", type=float, default=120.0, help="of the steady state that is measured")
    parser.add_argument("--settle", type=float, default=240.0, help="before that: in the first minutes all is news")
    parser.add_argument("--changes", type=int, default=50, help="rollouts that get another build, one after the other")
    parser.add_argument("--bad", type=int, default=3, help="rollouts that get a bad build, one after the other")
    parser.add_argument("--bake", default=BAKE, help="time; longer than --patience: all are measured in their bake")
    parser.add_argument("--patience", type=float, default=1800.0, help="seconds until all serve")
    parser.add_argument("--buckets", type=int, default=1, help="batch sizes of the audit: 18 series of a pod for each")
    parser.add_argument("--flag", action="append", default=[], help="more flags of the operator")
    parser.add_argument("--tree", type=Path, default=ROOT, help="whose operator: this working tree's, or another's")
    parser.add_argument("--tail", type=int, default=5, help="lines of the operator's log to show")
    parser.add_argument("--out", type=Path, help="write the table there too")
    options = parser.parse_args()
    print(f"a real kube-apiserver and etcd; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}", flush=True)
    bench = Bench(options)
    bench.run()
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(table(bench.rows) + "\n")
    missed = [f"{row.count} rollouts: {what}" for row in bench.rows for what in row.missed()]
    print(goals(), f"missed: {', '.join(missed)}" if missed else "all met", sep="\n", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
