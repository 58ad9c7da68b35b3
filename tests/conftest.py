"""What all tests share: the marks that their folders imply, and the one local cluster."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from local.cluster import Cluster
from local.errors import LocalError
from tests.support.examples import SAME, examples
from tests.support.interrupting import Traces, traces
from tests.support.rollouts import refuse_installed_operator
from tests.support.waiting import shown

TESTS = Path(__file__).parent

settings.register_profile("share", max_examples=examples(settings.default.max_examples), derandomize=SAME)
settings.load_profile("share")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A run in the background may have been started so, and what it starts, and must interrupt, would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests under tests/cluster, tests/e2e and tests/soak carry their folder's mark, so that nobody forgets it."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in {"cluster", "e2e", "soak"}:
            item.add_marker(folder)


@pytest.fixture(scope="session")
def bare() -> Traces | None:
    """What the machine was like without a cluster; None if one lived before this run, which then must not end it."""
    local = Cluster()
    return traces(local) if local.clear_dead() else None


@pytest.fixture(scope="session")
def cluster(bare: Traces | None, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The local cluster, shared by all tests of a run; one that lived before is mended, used and left up."""
    local, ours = Cluster(), bare is not None
    with shown(request):
        local.up()
    if not ours:
        try:
            refuse_installed_operator(local)
        except LocalError as error:
            pytest.exit(error.text(), returncode=1)
    os.environ["KUBECONFIG"] = str(local.kubeconfig)
    try:
        yield local
    finally:
        if ours and not os.environ.get("KEEP"):
            local.down()
