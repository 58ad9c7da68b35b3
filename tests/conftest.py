"""What all tests share: the marks that their folders imply, and the one local cluster."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from local.anycluster import AnyCluster
from local.choice import chosen
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
    """Tests under tests/cluster, tests/e2e and tests/soak carry their folder's mark, so that nobody forgets it.

    What needs the machine of the local cluster is left out, and says so, where another cluster is asked for.
    """
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in {"cluster", "e2e", "soak"}:
            item.add_marker(folder)
        if folder in {"cluster", "soak"}:
            item.add_marker(pytest.mark.machine(f"all of tests/{folder} does"))
        if (mark := item.get_closest_marker("machine")) and os.environ.get("CLUSTER"):
            item.add_marker(
                pytest.mark.skip(f"left out with CLUSTER: it needs the local cluster's machine; {mark.args[0]}")
            )


@pytest.fixture(scope="session")
def meant() -> AnyCluster:
    """The cluster that `CLUSTER` says; nothing has been asked of it yet."""
    try:
        return chosen()
    except LocalError as error:
        pytest.exit(error.text(), returncode=1)


@pytest.fixture(scope="session")
def bare(meant: AnyCluster) -> Traces | None:
    """What the machine was like without a cluster; None if one lived before this run, which then must not end it."""
    return traces(meant) if meant.clear_dead() else None


@pytest.fixture(scope="session")
def cluster(meant: AnyCluster, bare: Traces | None, request: pytest.FixtureRequest) -> Iterator[AnyCluster]:
    """The cluster, shared by all tests of a run; one that lived before is mended, used and left up."""
    ours = bare is not None
    try:
        with shown(request):
            meant.up()
        if not ours:
            refuse_installed_operator(meant)
    except LocalError as error:
        meant.leave(refused=True)
        pytest.exit(error.text(), returncode=1)
    except BaseException:  # Ctrl-C, too
        meant.leave(refused=True)
        raise
    os.environ["KUBECONFIG"] = str(meant.kubeconfig)
    try:
        yield meant
    finally:
        if not os.environ.get("KEEP"):
            (meant.down if ours else meant.leave)()
