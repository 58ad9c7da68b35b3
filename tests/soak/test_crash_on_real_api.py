"""R4 on a real API server: the operator's process is killed by SIGKILL, or deceived, at the n-th of its writes.

CASES of them (200 by default), chosen by CRASH_SEED: each is one of a few stories with one fault at one write, and must
end as the same story does undisturbed, by the same weights, without a moment in which users had no server. etcd, the
API server and the controllers are real; pods are taken up by a stand-in and are soon ready. Half a minute each.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sampler_rollouts.cluster.transport import KubernetesApi

from benchmarks.scale_cluster import prepare
from tests.support.crashing.plane import SCRAPE, ControlPlane, Nodes, Patient
from tests.support.crashing.process import Process
from tests.support.crashing.proxy import Fault, Proxy
from tests.support.crashing.stories import NAME, STORIES, Case, Played
from tests.support.scenarios.faults import Kind

ROOT = Path(__file__).resolve().parents[2]
CASES = int(os.environ.get("CASES", "200"))
SEED = int(os.environ.get("CRASH_SEED", "1"))
KINDS = (Kind.KILLED_BEFORE, Kind.KILLED_BEFORE, Kind.KILLED_AFTER, Kind.KILLED_AFTER, *Kind)
"""SIGKILL is what this is about; the other faults are in it too."""


class Stage:
    """All that a story is played on."""

    def __init__(self) -> None:
        self.plane = ControlPlane()
        self.plane.start()
        self.api = Patient()
        prepare(self.api, ROOT / "crds")
        self.nodes = Nodes(KubernetesApi())
        self.nodes.start()
        self.process = Process(self.plane.folder, self.nodes.source.url, SCRAPE)
        self.proxy = Proxy(self.plane.settings, self.process.kill)
        self.process.connect(self.proxy.url)
        self.process.start()
        self.calm: dict[str, Played] = {}
        self._serial = 0

    def play(self, story: str, kind: Kind | None = None, at: int = 0) -> tuple[Played, Fault]:
        """One story in a namespace of its own; with a fault, until it is as it was without one."""
        self._serial += 1
        with Case(self.api, self.nodes, f"case-{self._serial}") as one:
            fault = self.proxy.arm(Fault(one.namespace, kind, at))
            STORIES[story](one)
            if not one.deleted:
                whose, looks = f"{one.namespace}/{NAME}", self.process.looks
                one.wait("a look at it, by whichever process there is now", lambda: looks(whose) > 1)
            end = one.rest(self.calm[story].end if kind else None)
            return Played(end, list(one.weights), len(fault.writes), one.without_servers()), fault

    def stop(self) -> None:
        """Leave nothing."""
        self.process.stop()
        self.proxy.stop()
        self.nodes.stop()
        self.plane.stop()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", "")  # put back afterwards
        made = Stage()
        try:
            yield made
        finally:
            made.stop()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("story", STORIES)
def test_undisturbed(stage: Stage, story: str) -> None:
    played, _ = stage.play(story)
    assert played.writes > 0
    assert played.breaches == []
    assert stage.process.unforeseen() == []
    stage.calm[story] = played


def chosen(number: int) -> tuple[str, Kind, float]:
    """The story in turn; fault and place by seed."""
    chance = random.Random(f"{SEED} {number}")
    return list(STORIES)[number % len(STORIES)], chance.choice(KINDS), chance.random()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("number", range(CASES))
def test_a_fault_at_one_write(stage: Stage, number: int) -> None:
    story, kind, place = chosen(number)
    calm = stage.calm[story]
    played, fault = stage.play(story, kind, int(place * calm.writes))
    told = f"{story}: write {fault.at + 1} of {calm.writes} {kind} ({fault.hit or 'it never came'})"
    print(told)  # noqa: T201
    assert played.end == calm.end, told
    assert played.weights == calm.weights, told
    assert played.breaches == [], told
    assert stage.process.unforeseen() == [], told
