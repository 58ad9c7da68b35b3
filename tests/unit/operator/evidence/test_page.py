"""docs/inconclusive.md has every reason that the code can give, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import sampler_rollouts
from sampler_rollouts.domain.decision.share import SKEWED
from sampler_rollouts.domain.decision.verdicts import NOTHING_DECIDES
from sampler_rollouts.domain.evidence.look import UNDECIDED

from tests.support.pages import DOCS

PACKAGE = Path(sampler_rollouts.__file__).parent
PAGE = (DOCS / "inconclusive.md").read_text()
REASON = re.compile(r"([A-Z][a-z]+){2,}")
OTHERS = {SKEWED, NOTHING_DECIDES, "EvaluationFailed"}
"""Said where other things are said too."""


def said(*folders: str) -> Iterator[str]:
    """Every reason that stands in the code of these folders: a text in CamelCase is nothing else there."""
    for folder in folders:
        for path in (PACKAGE / folder).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and REASON.fullmatch(node.value):
                    yield node.value


def test_every_reason_is_explained_and_no_other() -> None:
    of_code = {*said("domain/evidence", "metrics"), *OTHERS}
    words = set(re.findall(r"`(\w+)`", PAGE)) - {"Inconclusive", "EvidenceFeasible"}
    on_page = {word for word in words if REASON.fullmatch(word) or word in OTHERS}
    assert on_page == of_code


def test_what_is_undecided_stands_under_that_heading() -> None:
    first = PAGE.split("## ")[1]
    assert set(re.findall(r"(?m)^\| `(\w+)`", first)) == UNDECIDED | {SKEWED}


def test_others_are_said_where_they_are_looked_for() -> None:
    assert "EvaluationFailed" in set(said("reconcile"))
