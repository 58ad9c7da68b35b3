"""Running programs."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.errors import LocalError

Arg = str | Path


def run(
    args: Sequence[Arg],
    *,
    stdin: str | bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = 120,
    remedy: str = "",
) -> str:
    """Run to the end and return stdout; a failure carries the end of what the program said."""
    words = [str(a) for a in args]
    # Without input of ours the program gets none: it must not eat the terminal's.
    data = stdin.encode() if isinstance(stdin, str) else stdin or b""
    try:
        done = subprocess.run(
            words,
            input=data,
            capture_output=True,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise LocalError(f"program {words[0]!r} is not installed", remedy or "install it and try again") from None
    except subprocess.TimeoutExpired:
        raise LocalError(f"`{shlex.join(words)[:200]}` did not end within {timeout:.0f} s", remedy) from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace")
        raise LocalError(f"`{shlex.join(words)[:200]}` failed with exit code {done.returncode}", remedy, tail(said))
    return done.stdout.decode(errors="replace")


def works(args: Sequence[Arg], *, timeout: float = 30) -> bool:
    """Whether the command succeeds."""
    try:
        run(args, timeout=timeout)
    except LocalError:
        return False
    return True


def tail(text: str, lines: int = 15) -> str:
    """The last lines of a text; lines of any length, but nobody reads more than their beginning."""
    return "\n".join(line[:300] for line in text.rstrip().splitlines()[-lines:])
