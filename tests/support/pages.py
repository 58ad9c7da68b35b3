"""Parts of documentation pages that are made from code: between two comments, held by a test."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_END = "<!-- end of what was made -->\n"


def part(page: Path, maker: str) -> str:
    """What stands on the page between the comment that names the maker and the end of that part."""
    return _split(page, maker)[1]


def write(page: Path, maker: str, lines: list[str]) -> None:
    """Replace that part."""
    before, _, after = _split(page, maker)
    page.write_text(before + made(lines) + after)


def made(lines: list[str]) -> str:
    """The part as it stands on the page."""
    return "\n" + "".join(f"{line}\n" for line in lines) + "\n"


def _split(page: Path, maker: str) -> tuple[str, str, str]:
    begin = f"<!-- made by `{maker}` -->\n"
    text = page.read_text()
    start = text.index(begin) + len(begin)
    end = text.index(_END, start)
    return text[:start], text[start:end], text[end:]
