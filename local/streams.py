"""Programs that take minutes: their words become progress, and the end of their words a failure's detail."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from local.errors import LocalError
from local.progress import Ticker
from local.shell import Arg, tail

Summary = Callable[[Sequence[str]], str]


def last_line(said: Sequence[str]) -> str:
    """Show what the program said last."""
    return said[-1].strip()[:100] if said else "started"


# Between asking a program to end and killing it.
PATIENCE = 5.0
_given_up = threading.Event()


class Workers(ThreadPoolExecutor):
    """Threads whose slow programs end when the block fails: Ctrl-C reaches only the main thread, which waits here."""

    def __enter__(self) -> Self:
        """Begin anew. Not at the end of the last block: a thread that it does not know of may still have to hear.

        An executor notes a thread only once it runs, and Ctrl-C may come in between.
        """
        _given_up.clear()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Wait for the threads; after a failure not for their programs."""
        if kind is not None:
            _given_up.set()
        return super().__exit__(kind, error, trace)


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
    with _group(words, env=env, cwd=cwd) as program:
        assert program.stdout is not None
        while True:
            if _given_up.is_set() and threading.current_thread() is not threading.main_thread():
                raise LocalError(f"{what} was given up: something else failed or was interrupted")
            # A program may be silent for long (a linker is): the user still sees that it lives.
            if select.select([program.stdout], [], [], 0.5)[0]:
                chunk = program.stdout.read(65536)
                if not chunk:
                    break
                said += chunk.decode(errors="replace")
            ticker.tick(summary(said.splitlines()))
        program.wait()
    if program.returncode != 0:
        raise LocalError(f"{what} failed with exit code {program.returncode}", remedy, tail(said, 25))


@contextmanager
def _group(
    words: Sequence[str], *, env: Mapping[str, str] | None, cwd: Path | None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program in a session of its own, and end all of its group whatever ends us.

    Neither a terminal's Ctrl-C nor a signal to us reaches that session, and what a build has started (compilers,
    containers' commands) would go on for minutes without us.
    """
    with subprocess.Popen(
        words,
        env=dict(env if env is not None else os.environ),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        start_new_session=True,
    ) as program:
        try:
            yield program
        finally:
            _end_group(program)


def _end_group(program: subprocess.Popen[bytes]) -> None:
    """Ask, then kill. Our first child is reaped last: until then the group's number cannot be another's."""
    if program.returncode is not None:
        return  # it ended by itself, and was waited for
    try:
        _signal_group(program.pid, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        while not _only_exited(program.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        # Also after a second Ctrl-C.
        _signal_group(program.pid, signal.SIGKILL)
        program.wait()


def _signal_group(group: int, sign: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, sign)


def _only_exited(group: int) -> bool:
    """Whether no process of the group runs any more."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in {"Z", "X"}:
                return False
    return True
