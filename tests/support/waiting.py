"""Wait for a condition, with a deadline and a message; and show what a long wait is for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

T = TypeVar("T")


def wait_for(what: str, probe: Callable[[], T], *, timeout: float, every: float = 0.5) -> T:
    """Return the probe's first truthy result; fail with ``what`` and the last result when time is up."""
    end = time.monotonic() + timeout
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {timeout:.0f} s; last seen: {result!r}")
        time.sleep(every)


@contextmanager
def shown(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let through what is said meanwhile, which pytest would keep until a test fails: builds take minutes."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        yield
