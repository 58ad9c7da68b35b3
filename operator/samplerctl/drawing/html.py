"""Small pieces of HTML. Everything that is not HTML by our own hand goes through ``escape``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from samplerctl.drawing.svg import colour

_STYLE = Path(__file__).with_name("style.css")


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = (), wide: Sequence[int] = ()
) -> str:
    """A table of plain texts; columns listed in ``numbers`` are set flush right."""

    def cell(tag: str, index: int, text: str) -> str:
        kind = "number" if index in numbers else "wide" if index in wide else ""
        return f'<{tag} class="{kind}">{escape(text)}</{tag}>'

    top = "".join(cell("th", i, text) for i, text in enumerate(head))
    body = "".join(f"<tr>{''.join(cell('td', i, text) for i, text in enumerate(row))}</tr>" for row in rows)
    return f'<div class="table"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Numbers with what they mean below."""
    items = (f'<div class="fact"><b>{escape(value)}</b><span>{escape(what)}</span></div>' for value, what in pairs)
    return f'<div class="facts">{"".join(items)}</div>'


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def drawing(svg: str) -> str:
    """A drawing that scrolls on a narrow screen."""
    return f'<div class="drawing">{svg}</div>' if svg else ""


def page(title: str, body: str, more_style: str = "") -> str:
    """A whole page. It needs nothing but itself: no script, no font, no address. ``body`` is HTML, ``title`` is not."""
    style = _STYLE.read_text(encoding="utf-8") + more_style
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def legend(names: Sequence[str], text: str) -> str:
    """Which colour is whose, and what the drawings have in common."""
    named = "".join(f'<span><i class="pool-{colour(i)}"></i>{escape(name)}</span>' for i, name in enumerate(names))
    return f'<div class="legend">{named}<span>{escape(text)}</span></div>'


def events(rows: Iterable[Sequence[str]], time: str) -> str:
    """Events of a SamplerRollout: time, type, reason, message."""
    body = table([time, "type", "reason", "message"], rows, wide=[3])
    return f"<details open><summary>Events of the SamplerRollout</summary>{body}</details>"
