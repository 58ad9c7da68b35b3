"""A real Prometheus that is gone for ten minutes (OUTAGE_MINUTES), with a pod killed and a scrape lost beside it.

Nothing passes and nothing fails meanwhile; what pods counted is all there afterwards, but for what died with a process.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.cluster.scraped import Prometheus, running
from tests.cluster.test_real_prometheus import Rollout

MINUTES = float(os.environ.get("OUTAGE_MINUTES", "10"))


@pytest.fixture
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with running(tmp_path_factory.mktemp("prometheus")) as one:
        yield one


@pytest.mark.timeout(60 * MINUTES + 240)
def test_an_outage_of_any_length_decides_nothing_and_loses_nothing(prometheus: Prometheus) -> None:
    rollout = Rollout(prometheus, prometheus.unused.pop())
    one, other = rollout.pod("c1", served=100), rollout.pod("c2", served=100)
    try:
        rollout.counted(200)
        one.hide()  # longer than a scrape
        time.sleep(0.4)
        one.show()
        one.serve(20)
        rollout.counted(220)

        prometheus.stop()
        one.hide()
        one.start(served=30)  # its process was killed: what it had counted since its last scrape is lost
        seen, end = Counter[tuple[str, str]](), time.monotonic() + 60 * MINUTES
        while time.monotonic() < end:
            other.serve(5)
            evidence = rollout.evidence()
            seen.update((evidence.reason, look.verdict.value) for look in evidence.looks.values())
            time.sleep(1)
        print(f"in the outage: {dict(seen)}")  # noqa: T201
        assert set(seen) == {("SourceUnreachable", "Inconclusive")}

        prometheus.start()
        asked = seen.total() // len(rollout.checks)
        look = rollout.counted(220 + 30 + 5 * asked)
        assert (look.bad, "counters started anew 1 times" in look.detail) == (0, True)
        other.serve(2000)
        print(rollout.becomes("Passed", 2250 + 5 * asked))  # noqa: T201
    finally:
        for exporter in rollout.exporters:
            exporter.hide()
