"""Every scenario with each fault at each write, as a table: ``python -m tests.unit.operator.scenarios.crash_table``.

Arguments are parts of scenarios' names; none means all of them: some 50,000 cases, and about ten hours of processor
time. ``--one-in 10`` takes a tenth of each scenario's cases by chance, ``--seed`` others of them. The exit status says
whether anything differed.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.support.scenarios.faults import Kind
from tests.unit.operator.scenarios.crashes import KINDS, Forks, calm
from tests.unit.operator.scenarios.stories import ALL

COLUMNS = (Kind.KILLED_BEFORE, *KINDS)


@dataclass
class Row:
    """One scenario."""

    name: str
    counts: Counter[Kind] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    simulated: float = 0.0
    took: float = 0.0

    def cells(self) -> list[str]:
        """As text."""
        kinds = [str(self.counts[kind]) for kind in COLUMNS]
        return [self.name, f"{self.simulated:.0f} s", *kinds, str(len(self.wrong)), f"{self.took:.0f} s"]


def row(name: str, one_in: int, seed: int) -> Row:
    """All cases of one scenario, or some."""
    began, made = time.monotonic(), Row(name)
    made.simulated = calm(name).seconds
    for case, said in Forks(name, one_in, seed).tell():
        made.counts[case.kind] += 1
        made.wrong += [said] if said else []
    made.took = time.monotonic() - began
    return made


def main() -> int:
    """Print the table, then what differed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="of scenarios' names")
    parser.add_argument("--one-in", type=int, default=1, help="a share of the cases")
    parser.add_argument("--seed", type=int, default=1, help="which share")
    asked = parser.parse_args()
    parts = asked.parts
    names = [one.name for one in ALL if one.faults and (not parts or any(part in one.name for part in parts))]
    heads = ["scenario", "simulated", *(kind.value for kind in COLUMNS), "different", "took"]
    say(f"| {' | '.join(heads)} |")
    say("|" + "---|" * len(heads))
    with ProcessPoolExecutor() as pool:
        rows = []
        for made in pool.map(functools.partial(row, one_in=asked.one_in, seed=asked.seed), names):
            rows.append(made)
            say(f"| {' | '.join(made.cells())} |")
    every = sum(sum(one.counts.values()) for one in rows)
    wrong = [said for one in rows for said in one.wrong]
    say(f"\n{len(rows)} scenarios, {every} cases, {len(wrong)} of them different")
    for said in wrong:
        say(f"* {said}")
    return 1 if wrong else 0


def say(line: str) -> None:
    """At once: the table takes long."""
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
