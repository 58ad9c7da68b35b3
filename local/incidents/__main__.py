"""``python -m local.incidents [--keep] [--out PATH] [--model smollm2|synthetic] [--workers N]``."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx

from local.choice import local_alone
from local.demo import ending
from local.demo.__main__ import make_console, ready
from local.demo.install import NotOursError
from local.demo.options import TREE, Options, read
from local.demo.waiting import NotAsToldError
from local.errors import LocalError
from local.incidents import story, table


def parse(argv: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m local.incidents", description=__doc__)
    parser.add_argument("--out", type=Path, default=TREE / "out", help="where the table goes (%(default)s)")
    given = read(parser, argv)
    report = given.out.absolute() / "report.html"
    return Options(keep=given.keep, report=report, model=given.model, workers=given.workers)


def main(argv: Sequence[str] | None = None) -> int:
    """Replay them; 0 if all came out as told, 1 if not, 130 after Ctrl-C."""
    options = parse(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = make_console()
    try:
        cluster = local_alone("make incidents")
        was_up = ready(cluster)
    except LocalError as error:  # nothing was begun, so there is nothing to clean up
        print(f"error: {error.text()}", file=sys.stderr)
        return 1
    try:
        rows = story.play(options, cluster)
        path = table.save(rows, options.out)
        console.print(table.markdown(rows), markup=False, soft_wrap=True)
        console.print(f"kept in {path}", markup=False)
        code = 1 if any(row.problems for row in rows) else 0
    except KeyboardInterrupt:
        console.print("\ninterrupted")
        code = 130
    except NotOursError as error:  # nothing was put in yet, so that nothing may be taken out
        print(f"error: {error.text()}", file=sys.stderr)
        return 1
    except (LocalError, NotAsToldError, httpx.HTTPError) as error:
        print(f"error: {error.text() if isinstance(error, LocalError) else error}", file=sys.stderr)
        code = 1
    if options.keep:
        console.print(f"the cluster stays up; export KUBECONFIG={cluster.kubeconfig}", markup=False)
        return code
    return ending.close(cluster, console, options, was_up=was_up, code=code)


if __name__ == "__main__":
    raise SystemExit(main())
