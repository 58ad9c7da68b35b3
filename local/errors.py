"""The one error that a user sees: what went wrong and what to do about it."""

from __future__ import annotations


class LocalError(Exception):
    """A failure that a person can act on. Printed without a traceback."""

    def __init__(self, problem: str, remedy: str = "", detail: str = "") -> None:
        self.problem = problem
        self.remedy = remedy
        self.detail = detail
        super().__init__(self.text())

    def text(self) -> str:
        """Return the problem and its remedy on one line, then the detail (the end of a log) if there is any."""
        line = self.problem if not self.remedy else f"{self.problem}: {self.remedy}"
        return f"{line}\n{self.detail.rstrip()}" if self.detail else line
