"""A few lines of SVG: axes, lines, steps, bands. Colours come from the page's style sheet, by class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape

from samplerctl.drawing.scales import Scale

Points = Sequence[tuple[float, float]]
COLOURS = 8
"""How many lines can be told apart: a further one has the colour of the first again."""


def colour(index: int) -> int:
    """The number in a line's class, ``pool-3``."""
    return index % COLOURS


class Plot:
    """One drawing with an x and a y axis."""

    def __init__(
        self,
        width: int,
        height: int,
        *,
        x: tuple[float, float],
        y: tuple[float, float],
        title: str,
        log_y: bool = False,
        left: int = 46,
        right: int = 14,
        top: int = 26,
        bottom: int = 26,
    ) -> None:
        self.width, self.height = width, height
        self.left, self.right, self.top, self.bottom = left, width - right, top, height - bottom
        self.x = Scale(*x, self.left, self.right)
        self.y = Scale(*y, self.bottom, self.top, log=log_y)
        self._title = title
        self._parts: list[str] = []

    def grid(
        self,
        xs: Iterable[float],
        ys: Iterable[float],
        x_text: Callable[[float], str],
        y_text: Callable[[float], str],
    ) -> None:
        """Draw ticks, their texts and the base line."""
        for value in ys:
            at = self.y(value)
            self._line(self.left, at, self.right, at, "grid")
            self._text(self.left - 6, at + 3.5, y_text(value), "tick end")
        for value in xs:
            at = self.x(value)
            self._line(at, self.bottom, at, self.bottom + 4, "axis")
            self._text(at, self.bottom + 16, x_text(value), "tick middle")
        self._line(self.left, self.bottom, self.right, self.bottom, "axis")

    def line(self, points: Points, kind: str, *, steps: bool = False) -> None:
        """Draw a line through the points, or stairs that change at each of them."""
        if not points:
            return
        path = [f"M{self.x(points[0][0]):.1f} {self.y(points[0][1]):.1f}"]
        for x, y in points[1:]:
            path.append(f"H{self.x(x):.1f}V{self.y(y):.1f}" if steps else f"L{self.x(x):.1f} {self.y(y):.1f}")
        self._parts.append(f'<path class="{kind}" d="{"".join(path)}"/>')

    def dot(self, x: float, y: float, kind: str, hint: str = "") -> None:
        """Draw a dot; the hint shows under the pointer."""
        told = f"<title>{escape(hint)}</title>" if hint else ""
        self._parts.append(f'<circle class="{kind}" cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="4">{told}</circle>')

    def area(self, upper: Points, lower: Points, kind: str, hint: str) -> None:
        """Fill between two lines over the same x."""
        there = "L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in upper)
        back = "L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in reversed(lower))
        self._parts.append(f'<path class="{kind}" d="M{there}L{back}Z"><title>{escape(hint)}</title></path>')

    def band(self, low: float, high: float, kind: str) -> None:
        """Fill the whole width between two values."""
        top, bottom = self.y(high), self.y(low)
        box = f'x="{self.left}" y="{top:.1f}" width="{self.right - self.left}" height="{bottom - top:.1f}"'
        self._parts.append(f'<rect class="{kind}" {box}/>')

    def across(self, y: float, kind: str, text: str = "") -> None:
        """Draw a horizontal line with its text above, at the left end: lines of evidence come near it at the right."""
        at = self.y(y)
        self._line(self.left, at, self.right, at, kind)
        if text:
            self._text(self.left + 5, at - 5, text, f"label {kind}-text")

    def beside(self, y: float, kind: str, text: str, *, above: float) -> float:
        """Draw a horizontal line with its text in the right margin, below the pixel ``above``; the text's own pixel."""
        at = self.y(y)
        self._line(self.left, at, self.right, at, kind)
        place = max(at + 4, above + 13)
        self._text(self.right + 6, place, text, f"label {kind}-text")
        return place

    def upright(self, x: float, kind: str, text: str = "", *, before: bool = False) -> None:
        """Draw a vertical line with its text at the top, after it or before; one outside the drawing is left out."""
        if not self.x.low <= x <= self.x.high:
            return
        at = self.x(x)
        self._line(at, self.top - 6, at, self.bottom, kind)
        if text:
            fits = at > self.left + 80 if before else at > self.right - 110
            side, shift = ("end", -4) if fits else ("", 4)
            self._text(at + shift, self.top + 2, text, f"label {side} {kind}-text")

    def caption(self, text: str) -> None:
        """Write above the drawing."""
        self._text(self.left, 12, text, "caption")

    def render(self) -> str:
        """The finished element."""
        view = f'viewBox="0 0 {self.width} {self.height}"'
        return f'<svg {view} role="img" aria-label="{escape(self._title)}">{"".join(self._parts)}</svg>'

    def _line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self._parts.append(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def _text(self, x: float, y: float, text: str, kind: str) -> None:
        self._parts.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>')
