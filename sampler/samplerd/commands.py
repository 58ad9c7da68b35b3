"""The commands that end: preflight and lint, from settings to exit code."""

import dataclasses
import logging
import sys
from pathlib import Path

from samplerd.jax_setup import configure_jax
from samplerd.lint import report as lint
from samplerd.model_file import ModelFileError
from samplerd.models import load_model
from samplerd.preflight import report
from samplerd.preflight.baseline import differences
from samplerd.preflight.plan import EMULATED_DEVICES
from samplerd.preflight.results import worst_first
from samplerd.preflight.sweep import preflight
from samplerd.program import Executables, ProgramFor
from samplerd.settings import Settings
from samplerd.shards import TooFewDevicesError


def run_preflight(
    settings: Settings, program_for: ProgramFor, *, baseline: Path | None, as_json: bool, long: bool = False
) -> int:
    """Preflight a program, by the plan or the long one; prints the report. 0: passed, 1: failed, 2: not made."""
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    try:
        other = None if baseline is None else report.read(baseline)
    except (OSError, report.ReportError) as error:
        return _refused(error, "--preflight-baseline: ")
    try:
        devices = max(settings.vocab_shards, EMULATED_DEVICES if long else 1)
        configure_jax(settings.threads, settings.compile_cache, devices=devices)
        model = load_model(settings)
        executables = Executables(
            model, program_for(model), settings.batch_sizes, settings.prefill_sizes, settings.vocab_shards
        )
    except (OSError, ModelFileError, TooFewDevicesError) as error:
        return _refused(error)
    made = preflight(executables, program_for, settings, settings.preflight_budget, long=long, told=_tell)
    if other is not None:
        failures = worst_first([*made.failures, *differences(made, other)])
        made = dataclasses.replace(made, failures=tuple(failures))
    _say(made.as_json() if as_json else made.as_text())
    return 0 if made.passed else 1


def run_lint(settings: Settings, program_for: ProgramFor, *, as_json: bool) -> int:
    """Lint a program; prints the report. 0: nothing found, 1: something was, 2: it could not be made."""
    try:
        configure_jax()
        model = load_model(settings)
    except (OSError, ModelFileError) as error:
        return _refused(error)
    made = lint.run_lint(model, program_for, settings.batch_sizes, settings.vocab_shards)
    _say(made.as_json() if as_json else made.as_text())
    return 0 if made.passed else 1


def _refused(error: Exception, what: str = "") -> int:
    _tell(f"{what}{error}")
    return 2


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
