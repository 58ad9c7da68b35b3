"""Draw the report anew from a recording: ``python -m local.demo.report out/recording.json out/report.html``."""

from __future__ import annotations

import sys
from pathlib import Path

from local.demo.recording import Recording
from local.demo.report import render


def main() -> int:
    """Read, draw, write."""
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    Path(sys.argv[2]).write_text(render(Recording.load(Path(sys.argv[1]))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
