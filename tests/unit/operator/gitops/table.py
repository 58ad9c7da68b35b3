"""The table of docs/gitops.md: ``python -m tests.unit.operator.gitops.table`` writes it."""

from __future__ import annotations

from tests.support import pages
from tests.unit.operator.gitops import argo
from tests.unit.operator.gitops.states import STATES, State

PAGE = pages.DOCS / "gitops.md"
MAKER = "python -m tests.unit.operator.gitops.table"
HEAD = ["| state | true condition | kstatus, Flux | Argo CD | actions there |", "|---|---|---|---|---|"]


def table() -> list[str]:
    """Markdown, a line for each state."""
    return [*HEAD, *(_row(state) for state in STATES.values())]


def _row(state: State) -> str:
    kind, _, reason = state.headline.partition(" ")
    condition = f"`{kind}`: `{reason}`" if kind else "none"
    return f"| {state.said} | {condition} | {state.kstatus} | {state.argo} | {', '.join(_offered(state))} |"


def _offered(state: State) -> list[str]:
    chosen = argo.offered(state.object())
    return [name for name in argo.actions() if name in chosen]


if __name__ == "__main__":
    pages.write(PAGE, MAKER, table())
