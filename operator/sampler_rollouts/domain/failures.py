"""Where an unforeseen error came from, for a log that holds no content (R26)."""

from __future__ import annotations

import traceback


def whereabouts(error: BaseException) -> str:
    """The error's type and the frames that it passed, without its message: that may quote a label or an answer."""
    return f"{type(error).__name__} at\n{''.join(traceback.format_tb(error.__traceback__))}"
