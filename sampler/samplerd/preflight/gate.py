"""A server's preflight: whether it may become ready, and what `GET /preflight` says of it."""

import logging
from dataclasses import dataclass, field

import jax

from samplerd.preflight import report as reports
from samplerd.preflight.report import Report
from samplerd.preflight.sweep import preflight, subject_of
from samplerd.program import Executables, ProgramFor
from samplerd.settings import DEFAULT_REVISION, Settings

log = logging.getLogger(__name__)


@dataclass
class Gate:
    """Holds readiness back until a preflight has passed. Off with a budget of 0: then it is open from the start."""

    settings: Settings
    report: Report | None = field(default=None, init=False)

    @property
    def on(self) -> bool:
        """Whether there is a preflight at all."""
        return self.settings.preflight_budget > 0

    @property
    def open(self) -> bool:
        """Whether the server may become ready."""
        return not self.on or (self.report is not None and self.report.passed)

    @property
    def reason(self) -> str | None:
        """Why the server may never become ready: the worst failure. None while nothing speaks against it."""
        return None if self.report is None or self.report.passed else self.report.sentence

    def examine(self, executables: Executables, program_for: ProgramFor) -> None:
        """Run the preflight, or take an earlier one that holds here. Unobserved; call it before the engine starts."""
        if not self.on:
            return
        self.report = self._earlier(executables)
        if self.report is None:
            log.info("preflight: at most %g seconds, or as long as what must run takes", self.settings.preflight_budget)
            self.report = preflight(executables, program_for, self.settings, self.settings.preflight_budget)
            jax.clear_caches()  # what serves is held by the executables; the sweep's own programs are not needed again
        level = logging.INFO if self.report.passed else logging.ERROR
        log.log(level, "%s (%.1f s)", self.report.sentence, self.report.seconds)

    def _earlier(self, executables: Executables) -> Report | None:
        """The mounted result, if it passed and is of this revision, on this kind of device, with these shapes."""
        path = self.settings.preflight_result
        if path is None or not path.exists():
            return None
        try:
            found = reports.read(path)
        except (OSError, reports.ReportError) as error:
            log.warning("no earlier preflight: %s", error)
            return None
        reason = self._unusable(found, executables)
        if reason is not None:
            log.info("the preflight in %s does not hold here: %s", path, reason)
            return None
        log.info("preflight: the result in %s holds here", path)
        return found

    def _unusable(self, found: Report, executables: Executables) -> str | None:
        mine = subject_of(executables, self.settings)
        if self.settings.revision == DEFAULT_REVISION:
            return f"revision {DEFAULT_REVISION} may be any build"
        if found.subject != mine:
            return f"it is of {found.subject}, this is {mine}"
        return None if found.passed else "it failed"
