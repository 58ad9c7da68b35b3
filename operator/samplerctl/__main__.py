"""Entry points of ``samplerctl``, ``kubectl sampler`` and ``python -m samplerctl``, and of kubectl's completion."""

from __future__ import annotations

import io
import os
import shlex
import sys
from contextlib import redirect_stdout, suppress

from samplerctl.app import app

PLUGIN = "kubectl-sampler"
OFFERED, NOTHING = 4, 0
"""What kubectl does next: nothing, or it lets the shell complete names of files (Cobra's directives)."""


def main() -> None:
    """Run the command line."""
    app()


def complete_for_kubectl() -> None:
    """``kubectl_complete-sampler``, which kubectl calls with the words after ``sampler``, the unfinished one last.

    What it wants to hear is what fish does, word and help with a tab between, and then a directive.
    """
    *words, unfinished = sys.argv[1:] or [""]
    os.environ["_KUBECTL_SAMPLER_COMPLETE"] = "complete_fish"
    os.environ["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    os.environ["_TYPER_COMPLETE_ARGS"] = f"{shlex.join([PLUGIN, *words])} {unfinished and shlex.quote(unfinished)}"
    found = io.StringIO()
    with redirect_stdout(found), suppress(SystemExit):
        app(prog_name=PLUGIN)
    lines = [line for line in found.getvalue().splitlines() if line]
    sys.stdout.writelines(f"{line}\n" for line in (*lines, f":{OFFERED if lines else NOTHING}"))


if __name__ == "__main__":
    main()
