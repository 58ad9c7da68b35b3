"""The table of the incidents, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from local.incidents.cast import MISROUTED
from local.incidents.rows import Row

HEAD: Final = (
    "incident", "what", "came out", "at weight", "seconds", "requests", "share exposed", "a gate of thresholds",
)  # fmt: skip


SCALED: Final = (
    "Rates and times are scaled to this machine: limits of 3 % instead of a tenth of a per cent, steps and bakes of "
    f"seconds instead of minutes, and {MISROUTED} % of short requests misrouted where the incident began with 0.8 %. "
    "Sessions do not stick: a request is a unit of its own."
)


def markdown(rows: Sequence[Row]) -> str:
    """The table, how it is scaled, then each sentence, then what was not as told."""
    lines = [_line(HEAD), _line(["---"] * len(HEAD)), *(_line(_cells(row)) for row in rows), ""]
    lines += [SCALED, ""]
    lines += [f"* {row.name}: {row.sentence}" for row in rows if row.sentence]
    problems = [f"* {row.name}: {problem}" for row in rows for problem in row.problems]
    return "\n".join([*lines, "", *(["Not as told:", "", *problems] if problems else ["All as told."]), ""])


def save(rows: Sequence[Row], folder: Path) -> Path:
    """Write ``incidents.md`` and ``incidents.json``; the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "incidents.json").write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    path = folder / "incidents.md"
    path.write_text(markdown(rows), encoding="utf-8")
    return path


def _cells(row: Row) -> Iterable[str]:
    yield f"[{row.name}]({row.page})" if row.page else row.name
    yield row.what
    yield row.ended if row.ended == row.expected else f"**{row.ended}** (expected {row.expected})"
    yield "-" if row.weight is None else str(row.weight)
    yield "-" if row.seconds is None else f"{row.seconds:.0f}"
    yield str(row.requests)
    yield f"{row.share:.1%}"
    yield row.threshold_gate or "-"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
