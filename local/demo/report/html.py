"""Small pieces of HTML. Everything that is not HTML by our own hand goes through ``escape``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


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
