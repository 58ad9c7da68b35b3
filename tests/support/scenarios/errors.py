"""Errors that the operator did not foresee: it logs them and goes on, so that without an ear nobody would notice."""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Callable, Iterator

OPERATOR = logging.getLogger("sampler_rollouts")


class _Ear(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.ERROR)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._tell(record.getMessage() + (f": {_in_words(error)}" if error else ""))


def _in_words(error: BaseException) -> str:
    """Its text, and where it was raised."""
    raised = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({raised.name}, {raised.filename.rsplit('/', 1)[-1]}:{raised.lineno})"


@contextlib.contextmanager
def heard(tell: Callable[[str], None]) -> Iterator[None]:
    """Whatever the operator logs as an error is told, also where tests mute logs; nothing of its log goes elsewhere."""
    ear, level, propagate = _Ear(tell), OPERATOR.level, OPERATOR.propagate
    OPERATOR.addHandler(ear)
    OPERATOR.setLevel(logging.ERROR)
    OPERATOR.propagate = False
    try:
        yield
    finally:
        OPERATOR.removeHandler(ear)
        OPERATOR.setLevel(level)
        OPERATOR.propagate = propagate
