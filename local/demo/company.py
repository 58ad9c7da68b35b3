"""Everyone who takes part in the story."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.anycluster import AnyCluster
from local.demo.answers import revision_of
from local.demo.api import Api
from local.demo.load import LoadGenerator
from local.demo.options import Options
from local.demo.recording import StatusPoint
from local.demo.resources import ResourceWatch
from local.demo.screen import Scene, Screen
from local.demo.watcher import Watcher


@dataclass
class Company:
    """What the turns work with. ``load`` begins once something serves."""

    options: Options
    cluster: AnyCluster
    api: Api
    watcher: Watcher
    resources: ResourceWatch
    screen: Screen
    paths: Mapping[int, Path]
    load: LoadGenerator | None = None

    def stop(self) -> None:
        """End all threads; what they have seen stays."""
        if self.load is not None:
            self.load.stop()
        self.resources.stop()
        self.watcher.stop()

    def scene(self, status: StatusPoint | None, title: str, book: Mapping[str, int]) -> Scene:
        """What the live table shows now. ``book`` says which release a revision belongs to."""
        if self.load is None:
            return Scene(status=status, title=title, names=book)
        counts = self.load.tally.fingerprints()
        answered = sum(counts.values())
        return Scene(
            status=status,
            title=title,
            per_second=self.load.tally.rate(time.time()),
            answered=answered,
            failed=self.load.tally.count() - answered,
            by_release=_by_release(counts, book),
            names=book,
        )


def _by_release(counts: Mapping[str, int], book: Mapping[str, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for fingerprint, count in counts.items():
        name = str(book.get(revision_of(fingerprint), "?"))
        found[name] = found.get(name, 0) + count
    return dict(sorted(found.items()))
