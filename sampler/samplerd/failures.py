"""What a log may say of an exception: its message may hold a part of a prompt or of an answer."""

import traceback


def told(error: BaseException) -> str:
    """The exception's type and where it was raised, without a word of its message."""
    return f"{type(error).__name__} at\n{''.join(traceback.format_tb(error.__traceback__))}"
