"""All incidents, one after the other, on one cluster: apply, wait as a user would, write down what was seen."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from local.cluster import Cluster
from local.demo import evidence, images, install
from local.demo.api import Api
from local.demo.ask import LONG, STANDARD
from local.demo.load import LoadGenerator
from local.demo.manifests import NAME, NAMESPACE, pools
from local.demo.options import Options
from local.demo.recording import CheckPoint, StatusPoint
from local.demo.tally import Tally
from local.demo.waiting import NotAsToldError, until
from local.demo.watcher import Watcher
from local.gateway.install import Edge
from local.incidents import thresholds
from local.incidents.cast import ALARM, CAST, FAULTS, PROMOTED, STRANGERS, Incident
from local.incidents.manifests import EXAMPLE, STRANGER, release, strangers_route
from local.incidents.rows import Row, Seen, of_alarm, of_release
from local.progress import say

LONG_SHARE: Final = 0.3
"""Of the questions, so that the long pool has enough to be judged by."""
HONEST: Final = {"good-2": images.SECOND_SIZE, "good-3": "24"}
"""Further good builds by chunk size: they compile and run other programs, and must give the same tokens."""
FIRST_READY: Final = 420
DECISION: Final = 1500
VERIFIED: Final = 300
ALARMED: Final = 600
PAGE: Final = 60
BEFORE: Final = 60
"""Seconds before an alarm's cause that its page shows too."""
ALONE: Final = 20.0


@dataclass
class Stage:
    """What the incidents work with."""

    options: Options
    cluster: Cluster
    edge: Edge
    images: Mapping[str, str]
    watcher: Watcher
    load: LoadGenerator
    prometheus: str

    @property
    def tally(self) -> Tally:
        """What became of the requests."""
        return self.load.tally


def play(options: Options, cluster: Cluster) -> list[Row]:
    """Everything, from a cluster that may not be there to the rows of the table."""
    cluster.up()
    install.refuse_others(cluster)
    edge = cluster.gateway()
    built = images.ensure(cluster, pools(options.served_model, EXAMPLE), FAULTS, HONEST)
    install.operator(cluster, built["operator"])
    with _stage(options, cluster, edge, built) as stage:
        rows = []
        for incident in CAST:
            say(f"{incident.name}: {incident.what}")
            began = time.time()
            row = _alarm(stage, incident) if not incident.image else _release(stage, incident)
            row = _drawn(stage, row, time.time() - began)
            say(f"{incident.name}: {row.ended}. {row.sentence}")
            rows.append(row)
        return rows


@contextmanager
def _stage(options: Options, cluster: Cluster, edge: Edge, built: Mapping[str, str]) -> Iterator[Stage]:
    """The first release serves, and users ask; afterwards nothing of it goes on."""
    api = Api(cluster)
    install.clean_namespace(cluster, api)
    cluster.kubectl("delete", "httproute", STRANGER, "-n", NAMESPACE, "--ignore-not-found")
    watcher = Watcher(api, NAMESPACE, NAME)
    load = LoadGenerator(edge.url, model=options.served_model, workers=options.workers, long_share=LONG_SHARE)
    stage = Stage(options, cluster, edge, built, watcher, load, api.prometheus_url())
    try:
        _apply(stage, "good-1")
        watcher.start()
        _until(stage, "the first release to be ready", lambda seen: seen.is_true("Ready"), FIRST_READY)
        load.start()
        time.sleep(ALONE)
        yield stage
    finally:
        load.stop()
        watcher.stop()
        api.close()


def _apply(stage: Stage, image: str, misroutes: int = 0) -> None:
    made = release(stage.images[image], stage.options.served_model, stage.edge, misroutes)
    stage.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(made))
    stage.watcher.look()


def _until(stage: Stage, what: str, true: Callable[[StatusPoint], bool], seconds: float) -> None:
    """Wait for what a status of the present generation shows."""

    def shown() -> bool:
        seen = stage.watcher.latest()
        return seen is not None and seen.observed_generation >= seen.generation and true(seen)

    if not until(what, shown, seconds):
        raise NotAsToldError(f"{what}: not within {seconds:.0f} s")


def _release(stage: Stage, incident: Incident) -> Row:
    began = time.time()
    stage.load.phase = incident.name
    _apply(stage, incident.image, incident.misroutes)
    problem = ""
    try:
        _until(stage, f"{incident.name} to be decided", _decided, DECISION)
        if incident.expected == PROMOTED:
            _until(stage, f"{incident.name} to be verified", lambda seen: seen.is_true("Verified"), VERIFIED)
    except NotAsToldError as error:
        problem = str(error)
    row = of_release(incident, Seen(began, stage.watcher.statuses(began), stage.tally.records(began)))
    row = replace(row, threshold_gate=thresholds.verdict(_measured(stage, began)))
    return replace(row, problems=(*row.problems, problem)) if problem else row


def _drawn(stage: Stage, row: Row, seconds: float) -> Row:
    """The row with its page, made as a user would make it."""
    page = stage.options.out / "incidents" / f"{row.name}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "samplerctl", "report", NAME, "-n", NAMESPACE, "-o", str(page)]
    command += ["--kubeconfig", str(stage.cluster.kubeconfig), "--metrics", stage.prometheus]
    if row.expected == ALARM:  # no rollout of its own: what is drawn is the time in which it happened
        command += ["--since", f"{seconds + BEFORE:.0f}s"]
    made = subprocess.run(command, capture_output=True, text=True, timeout=PAGE, check=False)
    if made.returncode:
        return replace(row, problems=(*row.problems, f"no page was drawn: {made.stderr.strip()}"))
    return replace(row, page=str(Path(page.parent.name) / page.name))


def _decided(seen: StatusPoint) -> bool:
    return any(seen.is_true(kind) for kind in ("Ready", "Stalled"))


def _measured(stage: Stage, began: float) -> list[CheckPoint]:
    """The evidence of the steps over time, recomputed from the store's raw samples."""
    wanted = evidence.asked(stage.watcher.raw(began))
    if wanted is None:
        return []
    samples = evidence.fetch(wanted, stage.prometheus, stage.cluster.settings.scrape_seconds)
    return evidence.over_time(wanted, samples, time.time())


def _alarm(stage: Stage, incident: Incident) -> Row:
    """Somebody else's change of the routing, long after the release was verified."""
    serving = stage.watcher.look().stable
    services = {pool: f"{NAME}-{pool}-{serving[pool]}" for pool in (STANDARD, LONG)}
    made = strangers_route(stage.edge, services, STRANGERS)
    began = time.time()
    stage.load.phase = incident.name
    stage.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(made))
    problem = ""
    try:
        _until(stage, "the alarm", lambda seen: seen.is_true("Degraded"), ALARMED)
    except NotAsToldError as error:
        problem = str(error)
    finally:
        stage.cluster.kubectl("delete", "httproute", STRANGER, "-n", NAMESPACE, "--ignore-not-found")
    row = of_alarm(incident, Seen(began, stage.watcher.statuses(began), stage.tally.records(began)))
    row = replace(row, threshold_gate="was not asked: nothing was rolled out")
    return replace(row, problems=(*row.problems, problem)) if problem else row
