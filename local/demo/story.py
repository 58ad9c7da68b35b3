"""The story: four releases, one after the other, and what is seen of each."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console

from local.anycluster import AnyCluster
from local.demo import evidence, findings, images, install, limits, manifests, resources, told, traces
from local.demo.api import Api
from local.demo.cast import CAST, Role
from local.demo.company import Company
from local.demo.options import Options
from local.demo.recording import Recording, StatusPoint
from local.demo.resources import ResourceWatch
from local.demo.screen import Scene, Screen
from local.demo.tally import failures_by_phase
from local.demo.turn import Turn
from local.demo.waiting import NotAsToldError
from local.demo.watcher import Watcher
from local.errors import LocalError


class Story:
    """One run of the demo. ``recording`` grows while it runs, so that an ended run leaves what it saw."""

    def __init__(self, options: Options, cluster: AnyCluster, console: Console) -> None:
        self.options, self.cluster, self.console = options, cluster, console
        self.recording = Recording(
            started_at=time.time(), model=options.served_model, machine=machine(), workers=options.workers
        )
        self.entered = False
        """Whether anything of the story may be in the cluster."""
        self._company: Company | None = None
        self._turn: Turn | None = None
        self._book: dict[str, int] = {}

    def run(self) -> Recording:
        """Tell it from beginning to end."""
        built = self._prepare()
        with self._gathered(built) as company:
            with self._stage("four releases"):
                self._turns(company, built)
            with self._stage("evidence"):
                self._finish(company)
        return self.recording

    def _prepare(self) -> Mapping[str, str]:
        self.options.out.mkdir(parents=True, exist_ok=True)
        with self._stage("cluster"):
            self.cluster.up()
        install.refuse_others(self.cluster)
        self.entered = True
        with self._stage("images"):
            built = images.ensure(self.cluster, manifests.pools(self.options.served_model))
        with self._stage("operator"):
            install.operator(self.cluster, built["operator"])
        return built

    @contextmanager
    def _gathered(self, built: Mapping[str, str]) -> Iterator[Company]:
        api = Api(self.cluster)
        install.clean_namespace(self.cluster, api)
        company = Company(
            options=self.options,
            cluster=self.cluster,
            api=api,
            watcher=Watcher(api, manifests.NAMESPACE, manifests.NAME),
            resources=ResourceWatch(self.cluster, api),
            screen=Screen(self.console, self._scene),
            paths={r.number: self._manifest(r, built) for r in CAST},
        )
        self._company = company
        company.resources.start()
        try:
            yield company
        finally:
            company.stop()
            traces.save(self.cluster, self.options.out)
            api.close()

    def _manifest(self, role: Role, built: Mapping[str, str]) -> Path:
        return manifests.write(self.options.out, role.number, built[role.image], self.options.served_model)

    def _turns(self, company: Company, built: Mapping[str, str]) -> None:
        self.recording.deviations = manifests.differences(company.paths)
        self.recording.manifest_quality = manifests.quality_text(company.paths[1])
        with company.screen:
            for role in CAST:
                record = findings.new_record(role, built[role.image])
                self.recording.releases.append(record)
                self._turn = Turn(company, role, record, self.recording)
                if not self._played(company, self._turn):
                    return

    def _played(self, company: Company, turn: Turn) -> bool:
        try:
            turn.play()
        except (NotAsToldError, LocalError, httpx.HTTPError) as problem:
            company.screen.say(f"not as told: {problem}", "bold red")
            self.recording.deviations.append(f"{turn.role.name}: {problem}")
            return False
        finally:
            turn.close()
        return True

    def _finish(self, company: Company) -> None:
        if company.load is not None:
            company.load.stop()
        company.resources.phase = "settling"
        settled = time.monotonic() + limits.SETTLING
        self._note_load(company)
        self._note_evidence(company)
        time.sleep(max(0.0, settled - time.monotonic()))
        company.resources.phase = "rest"
        with contextlib.suppress(httpx.HTTPError):  # then nothing is known of the rest
            company.resources.look()
        company.stop()
        self.recording.resources = company.resources.rows()
        resources.save(self.recording.resources, self.options.out / "resources.json")
        self.recording.deviations += told.deviations(self.recording)
        self.recording.ended_at = time.time()

    def _note_load(self, company: Company) -> None:
        records = company.load.tally.records() if company.load else []
        self.recording.failures_by_phase = failures_by_phase(records)
        self.recording.traffic = findings.summary_of(records)
        self.recording.buckets = findings.buckets(records, findings.release_book(self.recording.releases))

    def _note_evidence(self, company: Company) -> None:
        url, interval = company.api.prometheus_url(), self.cluster.settings.scrape_seconds
        for release in self.recording.releases:
            seen = company.watcher.raw(release.applied_at, release.ended_at)
            evidence.note(release, seen, url, interval)

    def _scene(self) -> Scene:
        company, turn = self._company, self._turn
        if company is None or turn is None:
            return Scene()
        status = company.watcher.latest()
        self._book |= findings.release_book(self.recording.releases)
        self._book |= dict.fromkeys(_on_trial(status, turn.role), turn.role.number)
        title = f"release {turn.role.number}: {turn.role.title}"
        return company.scene(status, title, self._book)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.recording.stages[name] = round(time.monotonic() - began, 1)


def _on_trial(status: StatusPoint | None, role: Role) -> Iterable[str]:
    """The revisions of the release whose turn it is, as far as the status shows them."""
    if status is None:
        return ()
    return status.candidate.values() or (status.stable.values() if role.number == 1 else ())


def machine() -> str:
    """The machine in words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB"
