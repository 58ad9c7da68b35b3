"""`SEEDED_FAULT=<name> python -m seeded_builds [arguments of samplerd]`: a sampler server with one fault in it."""

import os
import sys

from samplerd.cli import make_app

from seeded_builds.faults import FAULTS

VARIABLE = "SEEDED_FAULT"


def main() -> None:
    """Run samplerd's command line around the program of the named fault."""
    name = os.environ.get(VARIABLE, "")
    if name not in FAULTS:
        sys.stderr.write(f"{VARIABLE} must be one of: {', '.join(FAULTS)} (given: {name!r})\n")
        sys.exit(2)  # as for a wrong flag; 1 would say that the build is bad
    make_app(FAULTS[name])(sys.argv[1:] or ["serve"])


if __name__ == "__main__":
    main()
