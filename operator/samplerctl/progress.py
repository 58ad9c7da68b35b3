"""How far a long command has come: a line on the error output, while it works, where a person sees it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[int], None]
"""Called with how many more are done."""
EVERY = 0.1
"""Seconds between two drawings."""


def untold(more: int) -> None:
    """For whoever wants to hear nothing of it."""


@contextmanager
def progress(what: str, total: int) -> Iterator[Tell]:
    """A counter on a terminal, gone when it ends; nothing at all where the error output is a file or a pipe."""
    if not sys.stderr.isatty():
        yield untold
        return
    from rich.console import Console  # noqa: PLC0415  (help need not wait for it)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Drawn from here alone: a thread that draws would be there when the simulation's processes are forked.
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as shown:
        task, drawn = shown.add_task(what, total=total), 0.0
        shown.refresh()

        def tell(more: int) -> None:
            nonlocal drawn
            shown.advance(task, more)
            if time.monotonic() - drawn >= EVERY:
                drawn = time.monotonic()
                shown.refresh()

        yield tell
