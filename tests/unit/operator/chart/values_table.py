"""The table of values in the chart's README: ``python -m tests.unit.operator.chart.values_table`` writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support import pages

CHART = Path(__file__).parents[4] / "charts" / "sampler-rollouts"
README = CHART / "README.md"
MAKER = "python -m tests.unit.operator.chart.values_table"
_KEY = re.compile(r"(?P<indent> *)(?P<hidden># )?(?P<name>\w+):(?: (?P<value>.+))?")
_TEXT = re.compile(r" *# (?P<first>-- )?(?P<text>.+)")


@dataclass(frozen=True, slots=True)
class Value:
    """One line of the table. ``default`` is None for a group of values, and for one that is absent by default."""

    path: str
    default: str | None
    text: str
    example: str = ""


def values() -> Iterator[Value]:
    """All values with an explanation, and all without one that are no group."""
    places: list[tuple[int, str]] = []
    text = ""
    for line in (CHART / "values.yaml").read_text().splitlines():
        key, told = _KEY.fullmatch(line), _TEXT.fullmatch(line)
        if key and not (key["hidden"] and not text):
            depth = len(key["indent"])
            places = [place for place in places if place[0] < depth]
            path = ".".join([*(name for _, name in places), key["name"]])
            if key["hidden"]:
                yield Value(path, None, text, key["value"])
            else:
                places.append((depth, key["name"]))
                if key["value"] or text:
                    yield Value(path, key["value"], text)
            text = ""
        elif told:
            text = told["text"] if told["first"] else f"{text} {told['text']}" if text else ""
        else:
            text = ""


def table() -> list[str]:
    """Markdown, a line for each value."""
    return ["| value | default | |", "|---|---|---|", *(_row(one) for one in values())]


def _row(one: Value) -> str:
    default = f"`{one.default}`" if one.default is not None else f"none; `{one.example}`" if one.example else ""
    return f"| `{one.path}` | {default} | {one.text} |"


if __name__ == "__main__":
    pages.write(README, MAKER, table())
