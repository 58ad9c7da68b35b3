"""Figures of the sampler's benchmark beside their goals, and a plot of them."""

from dataclasses import dataclass, field
from math import log10
from pathlib import Path
from typing import NamedTuple

FLOOR, OURS = "read floor (max)", "ours"
_COLOURS = ("#b8c4ce", "#1b6ca8", "#d1495b", "#edae49", "#66a182", "#8d6a9f")
_LEFT, _BAR, _GAP, _WIDTH = 250, 13, 16, 560
"""Of the plot, in pixels."""


class Times(NamedTuple):
    """Seconds of one step over all rounds."""

    median: float
    best: float


class Goal(NamedTuple):
    """Ours against one other: at most `times` the floor, or at least `times` faster than a peer.

    Met if it is by medians and by best times: others' work on the machine may slow the floor more than ours.
    """

    against: str
    times: float

    def judged(self, seconds: dict[str, Times]) -> str:
        """In words, with the figures."""
        floor = self.against == FLOOR
        text = f"at most {self.times:g} x floor" if floor else f"at least {self.times:g} x faster than {self.against}"
        if self.against not in seconds:
            return f"goal: {text}: not run"
        figures = [
            ours / other if floor else other / ours
            for ours, other in zip(seconds[OURS], seconds[self.against], strict=True)
        ]
        met = max(figures) <= self.times if floor else min(figures) >= self.times
        return f"goal: {text}: {figures[0]:.1f}, at best {figures[1]:.1f}: {'met' if met else 'MISSED'}"


@dataclass
class Line:
    """One request on one array, by all samplers."""

    title: str
    batch: int
    vocabulary: int
    seconds: dict[str, Times]
    note: str = ""
    goals: tuple[Goal, ...] = ()
    megabytes: dict[str, float] = field(default_factory=dict)
    """Working memory that each compiled program asks for, beside logits and results."""

    def show(self) -> None:
        """Print it."""
        print(f"\n{self.title}: batch {self.batch}, V {self.vocabulary}; {self.note}")
        print(f"  {'median (best)':>44s}")
        floor, ours = self.seconds[FLOOR], self.seconds[OURS]
        for name, took in self.seconds.items():
            memory = f"  working memory {self.megabytes[name]:.1f} MB" if name in self.megabytes else ""
            times = f"{1e3 * took.median:10.3f} ({1e3 * took.best:9.3f}) ms"
            to_floor = f"{took.median / floor.median:9.1f} ({took.best / floor.best:.1f}) x floor"
            print(f"  {name:22s}{times}{to_floor}{took.median / ours.median:9.2f} x ours{memory}")
        for goal in self.goals:
            print(f"  {goal.judged(self.seconds)}")


def plot(lines: list[Line], path: Path) -> None:
    """Write bars as an SVG: time as a multiple of the floor, on a logarithmic scale."""
    names = list(dict.fromkeys(name for line in lines for name in line.seconds if name != FLOOR))
    decades = 5
    drawn, y = [], 56
    for line in lines:
        drawn.append(_text(10, y + 11, f"{line.title}, batch {line.batch}", 13))
        for name, seconds in line.seconds.items():
            if name == FLOOR:
                continue
            times = seconds.median / line.seconds[FLOOR].median
            length = min(_WIDTH, _WIDTH * log10(max(times, 1)) / decades)
            colour = _COLOURS[(names.index(name) + 1) % len(_COLOURS)]
            drawn.append(f'<rect x="{_LEFT}" y="{y}" width="{length:.1f}" height="{_BAR - 2}" fill="{colour}"/>')
            drawn.append(_text(_LEFT + length + 5, y + 10, f"{times:.1f} x", 11))
            y += _BAR
        y += _GAP
    axis = [
        f'<line x1="{x:.0f}" y1="46" x2="{x:.0f}" y2="{y - _GAP}" stroke="#ddd"/>'
        + _text(x - 8, 42, f"{10**step:,}", 10)
        for step in range(decades + 1)
        for x in [_LEFT + _WIDTH * step / decades]
    ]
    legend = [
        f'<rect x="{10 + 160 * at}" y="8" width="11" height="11" fill="{_COLOURS[(at + 1) % len(_COLOURS)]}"/>'
        + _text(26 + 160 * at, 18, name, 12)
        for at, name in enumerate(names)
    ]
    size = f'width="{max(_LEFT + _WIDTH + 80, 20 + 160 * len(names))}" height="{y}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">'
    ground = '<rect width="100%" height="100%" fill="white"/>' + _text(10, 36, "time, in reads of the logits", 11)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([head, ground, *legend, *axis, *drawn, "</svg>\n"]))


def _text(x: float, y: float, words: str, size: int) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}">{words}</text>'
