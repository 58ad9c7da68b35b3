"""Programs that take minutes: their words become progress, and the end of their words a failure's detail."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from local.errors import LocalError
from local.progress import Ticker
from local.shell import Arg, tail

Summary = Callable[[Sequence[str]], str]


def last_line(said: Sequence[str]) -> str:
    """Show what the program said last."""
    return said[-1].strip()[:100] if said else "started"


def run_slow(
    what: str,
    args: Sequence[Arg],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    summary: Summary = last_line,
    remedy: str = "",
) -> None:
    """Run at low priority, repeating every few seconds where it is."""
    ticker = Ticker(what)
    said = ""
    words = ["nice", "-n", "5", *(str(a) for a in args)]
    with subprocess.Popen(
        words,
        env=dict(env if env is not None else os.environ),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
    ) as program:
        assert program.stdout is not None
        while True:
            # A program may be silent for long (a linker is): the user still sees that it lives.
            if select.select([program.stdout], [], [], 2)[0]:
                chunk = program.stdout.read(65536)
                if not chunk:
                    break
                said += chunk.decode(errors="replace")
            ticker.tick(summary(said.splitlines()))
    if program.returncode != 0:
        raise LocalError(f"{what} failed with exit code {program.returncode}", remedy, tail(said, 25))
