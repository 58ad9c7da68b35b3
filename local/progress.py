"""What a user sees while something takes time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from local.errors import LocalError

T = TypeVar("T")
_STARTED = time.monotonic()


def say(message: str) -> None:
    """Print one line with the time since the command started. To stderr: stdout is for answers."""
    print(f"[{time.monotonic() - _STARTED:6.1f} s] {message}", file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what begins, and how long it took when it ends well."""
    say(f"{what} ...")
    began = time.monotonic()
    yield
    say(f"{what}: done in {time.monotonic() - began:.1f} s")


class Ticker:
    """Repeats a changing line every few seconds, so that a long build is seen to live."""

    def __init__(self, what: str, every: float = 10.0) -> None:
        self.what = what
        self.every = every
        self.last = time.monotonic()

    def tick(self, state: str) -> None:
        """Say the state if enough time has passed since the last line."""
        now = time.monotonic()
        if now - self.last >= self.every:
            self.last = now
            say(f"{self.what}: {state}")


_REMEDY = "see `make cluster-status` and the logs it names"


def wait_for(
    what: str, probe: Callable[[], T | None], *, timeout: float, every: float = 0.1, remedy: str = _REMEDY
) -> T:
    """Call the probe until it returns something true; a probe that raises LocalError ends the wait at once."""
    deadline = time.monotonic() + timeout
    ticker = Ticker(f"waiting for {what}")
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise LocalError(f"{what}: not so after {timeout:.0f} s", remedy)
        ticker.tick("not yet")
        time.sleep(every)
