"""Marks that follow from what a test imports, and the share of the long tests that is run."""

from __future__ import annotations

import inspect
import os
import zlib

import pytest

ONE_IN = int(os.environ.get("LONG_TESTS_ONE_IN", "4"))
"""Of the tests that carry the mark `long` one in so many is run, always the same ones; 1 runs all."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Who can start a whole server, with its ports, threads and compiled programs, carries the mark `server`."""
    for item in items:
        if isinstance(item, pytest.Function) and _serves(inspect.getmodule(item.function)):
            item.add_marker("server")
    # Who names a test wants that one.
    if ONE_IN > 1 and not any("::" in arg for arg in config.args):
        left_out = [item for item in items if item.get_closest_marker("long") and not _is_sampled(item)]
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


def _serves(module: object) -> bool:
    """Whether its ``serving`` is the one of whole servers: others have something else that serves."""
    return getattr(getattr(module, "serving", None), "__module__", "") == "tests.unit.samplerd.servers"


def _is_sampled(item: pytest.Item) -> bool:
    return zlib.crc32(item.nodeid.encode()) % ONE_IN == 0
