"""docs/security.md names tests that exist."""

from __future__ import annotations

import re

import pytest

from tests.support.pages import DOCS

PAGE = (DOCS / "security.md").read_text()
REFERENCES = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)))


def test_there_are_many() -> None:
    assert len(REFERENCES) > 20


@pytest.mark.parametrize(("file", "name"), REFERENCES, ids=lambda value: value or "-")
def test_what_is_named_is_there(file: str, name: str) -> None:
    path = DOCS.parent / file
    assert path.is_file()
    assert not name or re.search(rf"^(async )?def {name}\(", path.read_text(), re.MULTILINE)


def test_every_threat_has_a_test() -> None:
    """All tables but the first, of people, who promise nothing."""
    _, promises = PAGE.split("## The author", 1)
    rows = [line for line in promises.splitlines() if line.startswith("| ") and "stands in the way" not in line]
    assert len(rows) > 15
    assert [row for row in rows if "`tests/" not in row] == []
