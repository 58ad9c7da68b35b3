"""The load generator's own questions, and what an answer may be judged by at a glance."""

from __future__ import annotations

import unicodedata
from pathlib import Path

_FILE = Path(__file__).with_name("prompts.txt")


def load_prompts(path: Path = _FILE) -> tuple[str, ...]:
    """Read one question a line; lines that begin with ``#`` are remarks."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def foreign_letters(text: str, prompt: str = "") -> str:
    """Letters of scripts that are neither Latin nor in the prompt.

    Only for choosing which answer to show. What counts is the server's own check, which knows scripts properly; the
    first word of a character's name is near enough for this.
    """
    known = {_script(char) for char in prompt if char.isalpha()} | {"LATIN"}
    return "".join(char for char in text if char.isalpha() and _script(char) not in known)


def scripts(text: str, prompt: str = "") -> str:
    """The scripts of the foreign letters, in words: a reader may lack the font."""
    return ", ".join(sorted({_script(char).capitalize() for char in foreign_letters(text, prompt)}))


def _script(char: str) -> str:
    # Signs such as ª or µ are letters by category, but of no script that a reader would call foreign.
    name = unicodedata.name(char, "LATIN")
    return "LATIN" if ord(char) < 0x250 else name.split(" ", 1)[0]
