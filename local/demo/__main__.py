"""``python -m local.demo [--keep] [--report PATH] [--model smollm2|synthetic]``."""

from __future__ import annotations

import argparse
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from local.anycluster import AnyCluster
from local.choice import chosen
from local.demo import ending, summary
from local.demo.install import NotOursError
from local.demo.options import Options, read
from local.demo.report import render
from local.demo.story import Story
from local.errors import LocalError
from local.machine import DEMO_MEMORY, check_memory


def parse(argv: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--report", type=Path, default=Options.report, help="where the report goes (%(default)s)")
    given = read(parser, argv)
    return Options(keep=given.keep, report=given.report.absolute(), model=given.model, workers=given.workers)


def main(argv: Sequence[str] | None = None) -> int:
    """Tell the story; 0 if all was as told, 1 if not, 130 after Ctrl-C."""
    options = parse(argv)
    # Whoever ends it politely gets it cleaned up, as with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = make_console()
    try:
        cluster = chosen()
        was_up = ready(cluster)
    except LocalError as error:  # nothing was begun, so there is nothing to clean up
        print(f"error: {error.text()}", file=sys.stderr)
        return 1
    story = Story(options, cluster, console)
    try:
        code = tell(story, console)
    except KeyboardInterrupt:
        console.print("\ninterrupted")
        code = 130
    except NotOursError as error:  # nothing was put in yet, so that nothing may be taken out
        print(f"error: {error.text()}", file=sys.stderr)
        cluster.leave(refused=True)
        return 1
    except LocalError as error:
        print(f"error: {error.text()}", file=sys.stderr)
        code = 1
    except Exception:  # whatever it was, the cluster is not left behind
        traceback.print_exc()
        code = 1
    return ending.close(cluster, console, options, was_up=was_up, code=code, entered=story.entered)


def ready(cluster: AnyCluster) -> bool:
    """Refuse a machine on which the story cannot be told. Return whether a cluster was up before it."""
    cluster.check()
    was_up = ending.is_up(cluster)
    if not was_up:  # what runs already has its memory
        check_memory(DEMO_MEMORY)
    return was_up


def make_console() -> Console:
    """The terminal; a log gets whole lines, as wide as they need be."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=160)


def tell(story: Story, console: Console) -> int:
    """Run, print, write the report."""
    recording = story.run()
    recording.save(story.options.out / "recording.json")
    story.options.report.write_text(render(recording), encoding="utf-8")
    summary.show(console, recording)
    summary.verdict(console, recording, story.options.out, story.options.report)
    return 1 if recording.deviations else 0


if __name__ == "__main__":
    raise SystemExit(main())
