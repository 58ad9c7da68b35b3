"""Marks that follow from what a test imports, and the shares of the long and the slow tests that are run."""

from __future__ import annotations

import inspect
import os
import zlib
from pathlib import Path

import pytest

LONG_ONE_IN = int(os.environ.get("LONG_TESTS_ONE_IN", "8"))
"""Of the tests that carry the mark `long` one in so many is run, always the same ones; 1 runs all."""
SLOW_ONE_IN = int(os.environ.get("SLOW_TESTS_ONE_IN", "1"))
"""The same of those that carry the mark `slow`: `make test` and `make unit` say 4, and `make soak` runs all."""
SLOW = frozenset(
    f"{folder}/{name}.py"
    for folder, names in {
        "operator/domain": (
            "test_acts test_bake test_feasible test_model test_not_well test_pause_and_hold test_preflight "
            "test_promotion test_properties test_refused_deletions test_replaced_pool test_rollback test_share "
            "test_stable_away test_suspects test_table_meanwhile test_table_wave test_table_without_pods"
        ),
        "operator/metrics": "test_hostile_server test_shared",
        "operator/reconcile": "test_probes test_reconcile test_refused_deletions test_refusals test_templates",
        "operator/scenarios": "test_hanging_source test_scenarios",
        "samplerctl": "test_acting test_live test_selftest test_simulate test_simulated_evidence",
        "samplerd": (
            "test_library test_lint test_poisoned_slots test_preflight test_proofs test_public_failures "
            "test_sampler_equals_oracle test_sampling_semantics"
        ),
    }.items()
    for name in names.split()
)
"""Whole stories of a rollout, and programs compiled for a case: a third of a second and more, most of them."""
HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Who can start a whole server, with its ports, threads and compiled programs, carries the mark `server`."""
    if missing := [name for name in sorted(SLOW) if not (HERE / name).exists()]:
        raise pytest.UsageError(f"{__file__}: SLOW names files that are not there: {', '.join(missing)}")
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.relative_to(HERE).as_posix() in SLOW:
            item.add_marker("slow")
        if isinstance(item, pytest.Function) and _serves(inspect.getmodule(item.function)):
            item.add_marker("server")
    # Who names a test wants that one.
    if not any("::" in arg for arg in config.args):
        shares = {"long": LONG_ONE_IN, "slow": SLOW_ONE_IN}
        left_out = [item for item in items if any(_is_left_out(item, *share) for share in shares.items())]
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


def _serves(module: object) -> bool:
    """Whether its ``serving`` is the one of whole servers: others have something else that serves."""
    return getattr(getattr(module, "serving", None), "__module__", "") == "tests.unit.samplerd.servers"


def _is_left_out(item: pytest.Item, mark: str, one_in: int) -> bool:
    return item.get_closest_marker(mark) is not None and zlib.crc32(item.nodeid.encode()) % one_in != 0
